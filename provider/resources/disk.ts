import { type Context, defineResource, type Resource } from "../rpc/resource.ts"
import { SshError } from "../ssh/errors.ts"
import type { Connection } from "../ssh/index.ts"
import type { ConnectionInput, Hosts } from "./connection.ts"
import { deleteImage, describeImage, digestOf, ensureImage, expectImage, lookAtImage } from "./diskImage.ts"
import { digestRule, type Inputs, inputs, type Outputs, outputs, volumeName } from "./diskInputs.ts"
import { deleteVolume, ensureVolume, previewVolume, readVolume, volumeOf } from "./diskVolume.ts"
import { parseImportId } from "./importId.ts"

/**
 * A disk for domains. An image, made from files and secrets, lies in the host's store under its digest: another content
 * is another image beside it, which a domain comes to use with its next generation. A volume is made empty once, and
 * neither a domain's end nor a change of its size nor, unless the program says so, its own deletion takes it away.
 */
export function disk(hosts: Hosts) {
  const connect = (input: ConnectionInput, context: Context): Promise<Connection> =>
    hosts.connect(input, context)

  async function ensure(given: Inputs, known: boolean, context: Context<Outputs>) {
    const host = await connect(given.connection, context)
    const volume = volumeOf(given)
    return volume ? ensureVolume(host, volume, known, context) : ensureImage(host, given, context)
  }

  return defineResource({
    description: "A domain's disk on a Xen host: a FAT or raw image under its SHA-256, or an empty volume.",
    inputs,
    outputs,

    async check(given, context) {
      const failures = contradictions(given, context.unknown)
      if (failures.length > 0) return { failures }
      const pending = ["files", "secrets", "source", "volume"].some(name => context.unknown.has(name))
      if (given.volume !== undefined || pending) return {}
      const result = await digestOf(given as Inputs, context)
      return "failure" in result ? { failures: [result.failure] } : { inputs: result }
    },

    drift(state) {
      const altered = state.outputs.integrity === "altered"
      return altered ? [{ path: "integrity", kind: "update", replaces: false, input: false }] : []
    },

    async preview(given, context, state) {
      const volume = volumeOf(given as Partial<Inputs>)
      if (volume === undefined) {
        if (given.sha256 === undefined) return {}
        const { path, digest, integrity } = describeImage(given.sha256, 0)
        return { path, digest, integrity }
      }
      if (volume.name === undefined || given.connection?.host === undefined) return {}
      try {
        const host = await connect(given.connection as ConnectionInput, context)
        return await previewVolume(host, volume, state !== undefined, context)
      } catch (error) {
        // A host that does not answer yet may be made in the same update.
        if (context.signal.aborted || !(error instanceof SshError)) throw error
        context.log(
          "info",
          `${given.connection.host} cannot be asked yet what would change: ${error.message}`,
        )
        return {}
      }
    },

    create: (given, context) => ensure(given, false, context),

    async update(_id, _state, given, context) {
      return (await ensure(given, true, context)).outputs
    },

    async read(id, state, context) {
      const host = await connect(state.inputs.connection, context)
      const volume = volumeOf(state.inputs)
      if (volume) {
        const found = await readVolume(host, volume, context)
        return found && { inputs: { ...state.inputs, size: found.size }, outputs: found.outputs }
      }
      const found = await lookAtImage(host, id, context)
      return found && { inputs: state.inputs, outputs: { ...state.outputs, ...found } }
    },

    import: (id, context) =>
      id.includes("/volumes/") ? importVolume(id, context, connect) : importImage(id, context, connect),

    async delete(id, state, context) {
      const host = await connect(state.inputs.connection, context)
      const volume = volumeOf(state.inputs)
      if (volume) await deleteVolume(host, volume, state.inputs.onDelete, context)
      else await deleteImage(host, id, context)
    },
  } satisfies Resource<typeof inputs, typeof outputs>)
}

type Given = Parameters<NonNullable<Resource<typeof inputs, typeof outputs>["check"]>>[0]

/** What the declaration cannot say: a disk is one of three, made from files, given whole, or a volume. */
function contradictions(given: Given, unknown: ReadonlySet<string>) {
  const has = (name: keyof Given): boolean => given[name] !== undefined || unknown.has(name)
  const failures: { property: string; reason: string }[] = []
  const refuse = (property: keyof Given, reason: string) => failures.push({ property, reason })
  const made = has("files") || has("secrets")
  if (has("volume")) {
    if (made || has("source")) refuse("volume", "a volume begins empty: leave files, secrets and source out")
    if (!has("size")) refuse("size", "a volume needs its size in MiB")
  } else if (!made && !has("source") && !has("sha256")) {
    refuse("files", "a disk needs files or secrets, a source, or a volume")
  }
  if (made && has("source"))
    refuse("source", "an image is made from files, or given whole as source, not both")
  if (!has("volume") && (given.size ?? 0) > 1024)
    refuse("size", "an image has at most 1024 MiB; use a volume")
  if (has("source") && has("size")) refuse("size", "a source is sent as it is: leave the size out")
  return failures
}

type Connect = (input: ConnectionInput, context: Context) => Promise<Connection>

async function importImage(id: string, context: Context, connect: Connect) {
  const { connection, name } = parseImportId(id, "disks", digestRule)
  const digest = name.toLowerCase()
  const host = await connect(connection, context)
  if ((await lookAtImage(host, digest, context)) === undefined) return undefined
  const outputs = describeImage(digest, await expectImage(host, digest, context))
  const given = { connection, sha256: digest, format: "fat", onDelete: "keep" } as const
  return { id: digest, inputs: given, outputs }
}

/** `ssh://host/volumes/data` is a file, `ssh://host/volumes/group:data` a logical volume. */
async function importVolume(id: string, context: Context, connect: Connect) {
  const rule = {
    pattern: new RegExp(`(?:${volumeName.pattern.source}:)?${volumeName.pattern.source}`),
    says: "a volume's name, with its group and a colon before it for one of LVM",
  }
  const { connection, name: whole } = parseImportId(id, "volumes", rule)
  const [name, group] = whole.split(":").reverse() as [string, string?]
  const host = await connect(connection, context)
  const found = await readVolume(host, { name, group, size: 0 }, context)
  if (found === undefined) return undefined
  const volume = group === undefined ? { name } : { name, group }
  const given = { connection, volume, size: found.size, format: "fat", onDelete: "keep" } as const
  return { id: found.outputs.path, inputs: given, outputs: found.outputs }
}
