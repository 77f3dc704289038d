import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import anyTest, { type TestFn } from "ava"
import { Asset, type Properties, unknown } from "../../provider/rpc/value.ts"
import { Secret } from "../../provider/secret.ts"
import { type IsolatedHost, startIsolatedHost } from "../helpers/isolatedHost.ts"
import { failureOf, type Made, ProviderUnderTest } from "../helpers/provider.ts"

interface World {
  folder: string
  host: IsolatedHost
  provider: ProviderUnderTest
}
const test = anyTest as TestFn<World>
const MiB = 1024 * 1024

test.before(async t => {
  const folder = await mkdtemp(join(tmpdir(), "disk-"))
  process.env.XDG_CACHE_HOME = join(folder, "cache")
  t.context = { folder, host: await startIsolatedHost(), provider: await ProviderUnderTest.start() }
})
test.after.always(async t => {
  await t.context.provider[Symbol.asyncDispose]()
  await t.context.host.stop()
  await rm(t.context.folder, { recursive: true })
})

let serial = 0
const urnOf = (name = `d${++serial}`): string => `urn:pulumi:s::p::xen:index:Disk::${name}`
const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")
const tls = (text: string) => ({
  files: { "tls/server.pem": text },
  secrets: new Secret({ "tls/server.key": `key of ${text}` }),
})
const create = ({ provider, host }: World, urn: string, given: object): Promise<Made> =>
  provider.create(urn, { connection: host.connection, ...given } as Properties)
const failures = async ({ provider, host }: World, given: object): Promise<string[]> =>
  (
    await provider.client.check(urnOf(), { connection: host.connection, ...given } as Properties)
  ).failures.map(({ reason }) => reason)
/** The last line that stays of what a resource logged; the tests run side by side. */
const said = ({ provider }: World, urn: string): string =>
  provider.engine.lines.findLast(line => line.urn === urn && !line.ephemeral)?.message ?? ""
const images = async ({ host }: World): Promise<string[]> =>
  readdir(join(host.store, "disks")).catch(() => [])

/** What a reader of FAT finds in an image under a path. */
async function inImage({ folder }: World, image: Uint8Array, path: string): Promise<string> {
  const file = join(folder, `image-${++serial}`)
  await writeFile(file, image)
  return execFileSync("mtype", ["-i", file, `::/${path}`], {
    env: { ...process.env, MTOOLS_SKIP_CHECK: "1" },
  }).toString()
}

test("an image of files and secrets lies in the host's store under its digest, for root alone", async t => {
  const { id, outputs } = await create(t.context, urnOf(), tls("certificate"))
  const folder = join(t.context.host.store, "disks")
  const image = await readFile(join(folder, id))
  t.is(digestOf(image), id)
  t.deepEqual(outputs, {
    path: `/var/lib/pulumi-xen/disks/${id}`,
    digest: id,
    bytes: 4 * MiB,
    integrity: "intact",
  })
  t.is(await inImage(t.context, image, "tls/server.pem"), "certificate")
  t.is(await inImage(t.context, image, "tls/server.key"), "key of certificate")
  t.is((await stat(join(folder, id))).mode & 0o777, 0o600)
  t.is((await stat(folder)).mode & 0o777, 0o700)
})

test("a preview says path and digest, and touches no host", async t => {
  const inputs = await t.context.provider.check(urnOf(), {
    connection: { host: "127.0.0.1", port: 1 },
    ...tls("preview"),
  } as unknown as Properties)
  const { outputs } = await t.context.provider.client.create(urnOf(), inputs, { preview: true })
  t.like(outputs, { path: `/var/lib/pulumi-xen/disks/${String(inputs.sha256)}`, digest: inputs.sha256 })
})

test("what another resource has yet to make is left for the update", async t => {
  const given = { connection: { host: unknown }, files: { a: unknown } } as unknown as Properties
  const { inputs, failures } = await t.context.provider.client.check(urnOf(), given)
  t.deepEqual(failures, [])
  t.deepEqual((await t.context.provider.client.create(urnOf(), inputs, { preview: true })).outputs, {})
})

test("the same content is no change, from a text, an asset of text or a file, and whether it is secret or not", async t => {
  const urn = urnOf()
  const { id, inputs, outputs } = await create(t.context, urn, { files: { a: "same", b: "b" } })
  const path = join(t.context.folder, "a.txt")
  await writeFile(path, "same")
  const forms = [
    { files: { b: "b", a: new Asset({ path }) } },
    { files: { a: new Asset({ text: "same" }), b: "b" } },
    { files: { b: "b" }, secrets: new Secret({ a: "same" }) },
  ]
  for (const form of forms) {
    const news = await t.context.provider.check(urn, {
      connection: t.context.host.connection,
      ...form,
    } as Properties)
    t.like(await t.context.provider.client.diff(urn, id, { inputs, outputs }, news), { changes: "none" })
  }
})

test("another content is a new image beside the old one, which stays until it is deleted", async t => {
  const urn = urnOf()
  const old = await create(t.context, urn, tls("old"))
  const news = await t.context.provider.check(urn, {
    connection: t.context.host.connection,
    ...tls("new"),
  } as unknown as Properties)
  const diff = await t.context.provider.client.diff(urn, old.id, old, news)
  t.deepEqual(diff.replaces, ["sha256"])
  t.false(diff.deleteBeforeReplace)
  const { id } = await t.context.provider.client.create(urn, news)
  t.true((await images(t.context)).includes(old.id) && (await images(t.context)).includes(id))
  await t.context.provider.client.delete(urn, old.id, old)
  t.false((await images(t.context)).includes(old.id))
})

test("an image that a generation of a domain names is kept, and the user is told which domain's", async t => {
  const urn = urnOf()
  const made = await create(t.context, urn, tls("kept"))
  const domain = join(t.context.host.store, "domains/www")
  await mkdir(domain, { recursive: true })
  await writeFile(
    join(domain, "0123456789ab.cfg"),
    `disk = ["/var/lib/pulumi-xen/disks/${made.id},raw,xvda,r"]\n`,
  )
  await t.context.provider.client.delete(urn, made.id, made)
  t.true((await images(t.context)).includes(made.id))
  t.regex(said(t.context, urn), /it is used by domain:www/)
  await rm(domain, { recursive: true })
})

test("refresh notices an image that was altered, the update sends it again; one that is missing is gone", async t => {
  const urn = urnOf()
  const { client } = t.context.provider
  const made = await create(t.context, urn, tls("altered"))
  const path = join(t.context.host.store, "disks", made.id)
  t.is((await client.read(urn, made.id, made)).outputs.integrity, "intact")
  await writeFile(path, "altered by hand")
  const seen = await client.read(urn, made.id, made)
  t.is(seen.outputs.integrity, "altered")
  const state = { inputs: made.inputs, outputs: seen.outputs }
  t.like(await client.diff(urn, made.id, state, made.inputs), { changes: "some", replaces: [] })
  await client.update(urn, made.id, state, made.inputs)
  t.is(digestOf(await readFile(path)), made.id)
  await rm(path)
  t.is((await client.read(urn, made.id, made)).id, "")
})

test("raw is the bytes of one file, in whole sectors or as large as asked", async t => {
  const text = "one file"
  const small = await create(t.context, urnOf(), { format: "raw", files: { key: text } })
  const large = await create(t.context, urnOf(), { format: "raw", files: { key: text }, size: 2 })
  const read = ({ id }: Made) => readFile(join(t.context.host.store, "disks", id))
  t.deepEqual(await read(small), Buffer.concat([Buffer.from(text), Buffer.alloc(512 - text.length)]))
  t.is((await read(large)).length, 2 * MiB)
  t.is((await read(large)).toString("latin1", 0, text.length), text)
})

test("a whole image is sent as it is, unpacked where it is packed", async t => {
  const image = Buffer.alloc(3000, "image ")
  const path = join(t.context.folder, "disk.img.gz")
  await writeFile(path, gzipSync(image))
  const { id } = await create(t.context, urnOf(), { source: path })
  t.is(id, digestOf(image))
  t.deepEqual(await readFile(join(t.context.host.store, "disks", id)), image)
})

test("a digest alone means an image that the host has, and import gives just that", async t => {
  const made = await create(t.context, urnOf(), tls("imported"))
  const { host, port, user } = t.context.host
  const { privateKeyPath, hostKey } = t.context.host.connection
  const known = join(t.context.folder, "known_hosts")
  await writeFile(known, `[${host}]:${port} ${hostKey}\n`)
  await t.context.provider.client.configure({ privateKeyPath, knownHosts: [known] as unknown as string })
  const urn = urnOf()
  const found = await t.context.provider.client.read(urn, `ssh://${user}@${host}:${port}/disks/${made.id}`)
  t.like(found, { id: made.id, inputs: { sha256: made.id } })
  t.deepEqual(found.outputs, made.outputs)
  const checked = await t.context.provider.check(urn, found.inputs)
  t.like(await t.context.provider.client.diff(urn, made.id, found, checked), { changes: "none" })
  const none = "0".repeat(64)
  const { says } = await failureOf(create(t.context, urnOf(), { sha256: none }))
  t.regex(says, /was said to have the disk image 0{64} and has none; give its files or source/)
})

const wrong: [what: string, given: object, says: RegExp][] = [
  ["nothing", {}, /needs files or secrets, a source, or a volume/],
  ["files and a source", { files: { a: "" }, source: "a" }, /from files, or given whole as source, not both/],
  ["a volume with files", { volume: { name: "v" }, size: 1, files: { a: "" } }, /a volume begins empty/],
  ["a volume without a size", { volume: { name: "v" } }, /needs its size in MiB/],
  ["a volume with a path for its name", { volume: { name: "../v" }, size: 1 }, /must be a volume's name/],
  ["a name that FAT cannot hold", { files: { "a:b": "" } }, /"a:b" cannot be a file of a FAT image/],
  ["names that differ by letter case", { files: { a: "", A: "" } }, /letter case does not tell names apart/],
  [
    "a size that is too small",
    { files: { a: "x".repeat(2 * MiB) }, size: 1 },
    /of 1 MiB is too small for its files: it needs 4 MiB/,
  ],
  [
    "a file that does not exist",
    { files: { a: new Asset({ path: "/nowhere/a" }) } },
    /cannot be read from \/nowhere\/a \(ENOENT\)/,
  ],
  [
    "a source that does not exist",
    { source: "/nowhere/disk.img" },
    /disk image \/nowhere\/disk.img does not exist/,
  ],
  ["raw with two files", { format: "raw", files: { a: "", b: "" } }, /made from one file, and there are 2/],
  [
    "a raw image that is too small",
    { format: "raw", files: { a: "x".repeat(2 * MiB) }, size: 1 },
    /too small for "a": it needs 2 MiB/,
  ],
  ["an image beyond its limit", { files: { a: "" }, size: 1025 }, /at most 1024 MiB; use a volume/],
]
for (const [what, given, says] of wrong) {
  test(`${what}: refused in the preview, with what to do`, async t => {
    const found = await failures(t.context, given)
    t.is(found.length, 1, found.join("\n"))
    t.regex(found[0]!, says)
  })
}

test("a secret that cannot be in an image is refused without being shown", async t => {
  const given = { secrets: new Secret({ "k.pem": "x".repeat(2 * MiB) }), size: 1 }
  const [says, ...more] = await failures(t.context, given)
  t.deepEqual(more, [])
  t.regex(says!, /too small/)
  t.false(says!.includes("xxx"))
})

const volume = (size: number, more: object = {}) => ({ volume: { name: `v${++serial}` }, size, ...more })
const volumeFile = ({ host }: World, { outputs }: { outputs: Properties }): string =>
  join(host.store, String(outputs.path).replace("/var/lib/pulumi-xen/", ""))

test("a volume is an empty file of its size, grows in place with what is in it, and is never made smaller", async t => {
  const urn = urnOf()
  const made = await create(t.context, urn, volume(2))
  const path = volumeFile(t.context, made)
  t.deepEqual(await readFile(path), Buffer.alloc(2 * MiB))
  t.is((await stat(path)).mode & 0o777, 0o600)
  await writeFile(path, "data", { flag: "r+" })
  const name = made.inputs.volume
  const grown = await t.context.provider.update(urn, made, {
    connection: t.context.host.connection,
    volume: name!,
    size: 3,
  })
  t.like(grown.outputs, { bytes: 3 * MiB })
  const bytes = await readFile(path)
  t.is(bytes.length, 3 * MiB)
  t.is(bytes.toString("latin1", 0, 4), "data")
  const smaller = { connection: t.context.host.connection, volume: name!, size: 1 } as Properties
  const { says } = await failureOf(t.context.provider.update(urn, grown, smaller))
  t.regex(
    says,
    /has 3 MiB, and 1 MiB are asked for: making it smaller would cut off what is in it\. Set its size to 3/,
  )
  t.is((await stat(path)).size, 3 * MiB)
})

test("a change of a volume's size replaces nothing; another name is another volume", async t => {
  const urn = urnOf()
  const made = await create(t.context, urn, volume(1))
  const diff = async (given: object) => {
    const news = await t.context.provider.check(urn, {
      connection: t.context.host.connection,
      ...given,
    } as Properties)
    return t.context.provider.client.diff(urn, made.id, made, news)
  }
  t.like(await diff({ volume: made.inputs.volume, size: 2 }), { changes: "some", replaces: [] })
  t.deepEqual((await diff({ volume: { name: "other" }, size: 1 })).replaces, ["volume"])
})

test("a volume outlives its resource: kept with its data, and taken up again by the same program, not by another", async t => {
  const urn = urnOf()
  const given = volume(1)
  const made = await create(t.context, urn, given)
  const path = volumeFile(t.context, made)
  await writeFile(path, "data", { flag: "r+" })
  await t.context.provider.client.delete(urn, made.id, made)
  t.regex(said(t.context, urn), /stays on .* with what is in it/)
  const { says } = await failureOf(create(t.context, urnOf(), given))
  t.regex(says, new RegExp(`belongs to another resource of Pulumi: ${urn}`))
  await create(t.context, urn, given)
  t.is((await readFile(path)).toString("latin1", 0, 4), "data")
})

test("a protected volume refuses its deletion; one that may go goes, unless a domain uses it", async t => {
  const urn = urnOf()
  const made = await create(t.context, urn, volume(1, { onDelete: "refuse" }))
  const path = volumeFile(t.context, made)
  const { says } = await failureOf(t.context.provider.client.delete(urn, made.id, made))
  t.regex(says, /is protected: what is in it would be lost\. Set onDelete to "remove"/)
  const going = { ...made, inputs: { ...made.inputs, onDelete: "remove" } }
  const domain = join(t.context.host.store, "domains/data")
  await mkdir(domain, { recursive: true })
  await writeFile(join(domain, "0123456789ab.cfg"), `disk = ["${String(made.outputs.path)},raw,xvda,w"]\n`)
  t.regex(
    (await failureOf(t.context.provider.client.delete(urn, made.id, going))).says,
    /is used by domain:data/,
  )
  t.is((await stat(path)).size, MiB)
  await rm(domain, { recursive: true })
  await t.context.provider.client.delete(urn, made.id, going)
  await t.throwsAsync(stat(path), { code: "ENOENT" })
})

test("a file that nobody's mark says was made here is refused, and import takes it over", async t => {
  const given = volume(1)
  const path = join(t.context.host.store, "volumes", `${given.volume.name}.img`)
  await mkdir(join(t.context.host.store, "volumes"), { recursive: true })
  await writeFile(path, Buffer.alloc(MiB, "x"))
  const urn = urnOf()
  const { says } = await failureOf(create(t.context, urn, given))
  t.regex(says, /nothing says that it was made here\. Take it over with pulumi import/)
  const { host, port, user, connection } = t.context.host
  const known = join(t.context.folder, "known_hosts")
  await writeFile(known, `[${host}]:${port} ${connection.hostKey}\n`)
  await t.context.provider.client.configure({
    privateKeyPath: connection.privateKeyPath,
    knownHosts: [known] as unknown as string,
  })
  const found = await t.context.provider.client.read(
    urn,
    `ssh://${user}@${host}:${port}/volumes/${given.volume.name}`,
  )
  t.like(found.inputs, { volume: given.volume, size: 1 })
  const checked = await t.context.provider.check(urn, found.inputs)
  t.like(await t.context.provider.client.diff(urn, found.id, found, checked), { changes: "none" })
  await t.context.provider.update(urn, found, { connection, ...given, size: 2 } as unknown as Properties)
  const bytes = await readFile(path)
  t.is(bytes.length, 2 * MiB)
  t.is(bytes[MiB - 1], "x".charCodeAt(0))
})

test("a volume that somebody grew by hand is a change that refresh shows; one that is gone is said to be lost", async t => {
  const urn = urnOf()
  const made = await create(t.context, urn, volume(1))
  const { client } = t.context.provider
  t.deepEqual((await client.read(urn, made.id, made)).inputs, made.inputs)
  const path = volumeFile(t.context, made)
  await writeFile(path, Buffer.alloc(4 * MiB))
  t.is((await client.read(urn, made.id, made)).inputs.size, 4)
  await rm(path)
  t.is((await client.read(urn, made.id, made)).id, "")
  t.regex(
    said(t.context, urn),
    /is gone from .*, with all that was in it; the next update makes an empty one/,
  )
})

test("a volume that does not fit, or of a group that is not there, is refused in the preview", async t => {
  const { client } = t.context.provider
  const preview = async (urn: string, given: object) => {
    const inputs = await t.context.provider.check(urn, {
      connection: t.context.host.connection,
      ...given,
    } as Properties)
    return client.create(urn, inputs, { preview: true })
  }
  const { says } = await failureOf(preview(urnOf(), volume(1024 * 1024)))
  t.regex(says, /needs 1048576 MiB more, and \d+ MiB are free\. Make room there/)
  const lvm = await failureOf(preview(urnOf(), { volume: { name: "data", group: "nothere" }, size: 1 }))
  t.regex(lvm.says, /there is no LVM on the host\. Install the package lvm2|There is no volume group nothere/)
  const urn = urnOf()
  await preview(urn, volume(1))
  t.regex(said(t.context, urn), /^would be making \/var\/lib\/pulumi-xen\/volumes\/v\d+\.img \(1 MiB\)$/)
})

test("what a killed run left of a volume is not taken for one", async t => {
  const given = volume(2)
  const path = join(t.context.host.store, "volumes", `${given.volume.name}.img`)
  await mkdir(join(t.context.host.store, "volumes"), { recursive: true })
  await writeFile(`${path}.pulumi-xen-unfinished`, "half")
  const made = await create(t.context, urnOf(), given)
  t.deepEqual(await readFile(volumeFile(t.context, made)), Buffer.alloc(2 * MiB))
  t.deepEqual(
    (await readdir(join(t.context.host.store, "volumes"))).filter(name =>
      name.startsWith(`${given.volume.name}.`),
    ),
    [`${given.volume.name}.img`],
  )
})
