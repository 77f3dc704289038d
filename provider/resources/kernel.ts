import {
  claimKernel,
  kernelPath,
  lookAtKernel,
  parseKernelFinding,
  parseRelease,
  releaseKernel,
} from "../host/kernels.ts"
import { type KernelImage, openKernel } from "../kernel/image.ts"
import {
  asset,
  choice,
  either,
  type Fields,
  incidental,
  integer,
  type Known,
  list,
  madeFrom,
  map,
  optional,
  replaces,
  text,
} from "../rpc/declare.ts"
import { type Context, defineFunction, defineResource } from "../rpc/resource.ts"
import type { Connection } from "../ssh/index.ts"
import { type ConnectionInput, connection, type Hosts } from "./connection.ts"
import { parseImportId } from "./importId.ts"

const digestRule = { pattern: /[0-9a-fA-F]{64}/, says: "a SHA-256 in 64 hexadecimal digits" }

const source = either(
  "the kernel: a file, an https address, or a Pulumi asset; packed with gzip, bzip2, xz or zstd if it likes",
  text("file or https address", { pattern: /[^\0\r\n]+/, says: "a path or an address on one line" }),
  asset("asset"),
)

const sha256 = text(
  "SHA-256 that the kernel must have, as it is published or unpacked; an https address needs it, " +
    "and alone it means a kernel that the host has already",
  digestRule,
)

const kernelOutputs = {
  digest: text("SHA-256 of the unpacked image: the kernel's identity"),
  size: integer("bytes of the unpacked image"),
  kinds: list(
    "ways in which Xen can start it: pv, pvh, multiboot1 (as the kernel of a disk's boot loader), linux",
    choice("kind", ["pv", "pvh", "multiboot1", "linux"]),
  ),
} as const satisfies Fields

const inputs = {
  connection,
  source: optional(incidental(source)),
  sha256: optional(replaces(sha256)),
} as const satisfies Fields

const outputs = {
  // Its digest is what identifies a kernel in logs and generations; a secret source makes it secret all the same.
  digest: madeFrom(["source", "sha256"], kernelOutputs.digest),
  size: madeFrom(["source", "sha256"], optional(kernelOutputs.size)),
  kinds: madeFrom(["source", "sha256"], optional(kernelOutputs.kinds)),
  path: madeFrom(
    ["source", "sha256"],
    text("the kernel's file on the host, for an xl configuration's kernel="),
  ),
  integrity: madeFrom([], choice("whether the file on the host still has its digest", ["intact", "altered"])),
} as const satisfies Fields

type Inputs = Known<typeof inputs>
type Outputs = Known<typeof outputs>

/**
 * A kernel image in a host's store, under its own digest. A new image is a new kernel beside the old one; the same
 * image from another file, or packed otherwise, is the same kernel, and nothing is sent.
 */
export function kernel(hosts: Hosts) {
  /** Sends the image unless the host has it. Whatever half of this an earlier run did is taken up. */
  async function ensure(given: Inputs, context: Context<Outputs>): Promise<{ id: string; outputs: Outputs }> {
    const image = given.source === undefined ? undefined : await open(given, context)
    const digest = image?.digest ?? given.sha256!
    const host = await hosts.connect(given.connection, context)
    if (!image) await expectKernel(host, digest, context)
    const result = describe(digest, image)
    context.exists(digest, result)
    await host.run(claimKernel(digest, context.urn), { signal: context.signal })
    if (image) await send(host, image, context)
    return { id: digest, outputs: result }
  }

  async function look(input: ConnectionInput, digest: string, context: Context) {
    const host = await hosts.connect(input, context)
    const { stdout } = await host.run(lookAtKernel(digest), { signal: context.signal })
    return { host, finding: parseKernelFinding(stdout) }
  }

  return defineResource({
    description: "A unikernel's image in the store of a Xen host, under its SHA-256.",
    inputs,
    outputs,

    async check(given, context) {
      if (context.unknown.has("source") || context.unknown.has("sha256")) return {}
      if (given.source === undefined && given.sha256 === undefined) {
        return {
          failures: [
            { property: "source", reason: "a kernel needs source, or sha256 of one that the host has" },
          ],
        }
      }
      if (given.source === undefined) return { inputs: { sha256: given.sha256!.toLowerCase() } }
      try {
        const image = await open(given, context)
        return { inputs: { sha256: image.digest } }
      } catch (error) {
        if (context.signal.aborted) throw error
        return { failures: [{ property: "source", reason: (error as Error).message }] }
      }
    },

    drift(state) {
      const altered = state.outputs.integrity === "altered"
      return altered ? [{ path: "integrity", kind: "update", replaces: false, input: false }] : []
    },

    async preview(given, context) {
      if (given.source === undefined)
        return given.sha256 === undefined ? {} : describe(given.sha256, undefined)
      const image = await open(given, context)
      context.log(
        "info",
        `kernel ${image.digest.slice(0, 12)}…: ${image.kinds.join(", ")}, ${image.size} bytes`,
      )
      return describe(image.digest, image)
    },

    create: ensure,

    async update(_id, _state, given, context) {
      return (await ensure(given, context)).outputs
    },

    async read(id, state, context) {
      const { host, finding } = await look(state.inputs.connection, id, context)
      if (finding.found === "missing") return undefined
      const integrity = finding.digest === id ? ("intact" as const) : ("altered" as const)
      if (integrity === "altered") {
        context.log(
          "warning",
          `${kernelPath(id)} on ${host.name} was altered; the next update sends it again`,
        )
      }
      return { inputs: state.inputs, outputs: { ...state.outputs, integrity } }
    },

    async import(id, context) {
      const { connection: input, name } = parseImportId(id, "kernels", digestRule)
      const digest = name.toLowerCase()
      const { host, finding } = await look(input, digest, context)
      if (finding.found === "missing") return undefined
      if (finding.digest !== digest) {
        throw new Error(
          `${kernelPath(digest)} on ${host.name} was altered: its SHA-256 is ${finding.digest}; remove it`,
        )
      }
      return {
        id: digest,
        inputs: { connection: input, sha256: digest },
        outputs: describe(digest, undefined),
      }
    },

    async delete(id, state, context) {
      const host = await hosts.connect(state.inputs.connection, context)
      const { stdout } = await host.run(releaseKernel(id, context.urn), { signal: context.signal })
      const users = parseRelease(stdout)
      if (users.length > 0) {
        // No fault: a domain's earlier generations keep theirs, and the last of its users takes it away.
        context.log("info", `${kernelPath(id)} stays on ${host.name}: it is used by ${users.join(", ")}`)
      }
    },
  })
}

/** Looks at a kernel on this machine, without a host. */
export const inspectKernel = defineFunction({
  description: "What a kernel file is: the ways in which Xen can start it, its Xen notes, its digest.",
  inputs: { source, sha256: optional(sha256) },
  outputs: {
    ...kernelOutputs,
    machine: choice("processor it is for", ["x86_64", "x86_32"]),
    notes: map("Xen's ELF notes by name, without XEN_ELFNOTE_", text("note")),
  },
  async call(given, context) {
    const { digest, size, kinds, machine, notes } = await open(given, context)
    return { digest, size, kinds, machine, notes }
  },
})

function open(
  given: { source?: unknown; sha256?: string | undefined },
  context: Context,
): Promise<KernelImage> {
  return openKernel(given.source as string, {
    sha256: given.sha256?.toLowerCase(),
    signal: context.signal,
    onProgress: message => context.progress(message),
  })
}

async function send(host: Connection, image: KernelImage, context: Context): Promise<void> {
  const { bytes } = await host.upload(image.path, kernelPath(image.digest), {
    mode: 0o644,
    sha256: image.digest,
    signal: context.signal,
    onProgress: (sent, total) =>
      context.progress(`sending the kernel: ${Math.floor((100 * sent) / total)} %`),
  })
  context.log("debug", `${bytes} of ${image.size} bytes sent to ${host.name}`)
}

async function expectKernel(host: Connection, digest: string, context: Context): Promise<void> {
  const finding = parseKernelFinding(
    (await host.run(lookAtKernel(digest), { signal: context.signal })).stdout,
  )
  if (finding.found === "file" && finding.digest === digest) return
  const seen =
    finding.found === "missing" ? "has none" : `has a file of that name with the SHA-256 ${finding.digest}`
  throw new Error(`${host.name} was said to have the kernel ${digest} and ${seen}; give its source as well`)
}

function describe(digest: string, image: KernelImage | undefined): Outputs {
  return {
    digest,
    path: kernelPath(digest),
    integrity: "intact",
    ...(image && { size: image.size, kinds: image.kinds }),
  }
}
