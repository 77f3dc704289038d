import { execFileSync, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import type * as grpc from "@grpc/grpc-js"
import anyTest, { type TestFn } from "ava"
import { $ } from "zx"
import { xenRegistry } from "../../provider/registry.ts"
import { serve } from "../../provider/rpc/server.ts"
import { Asset, type Properties, unknown } from "../../provider/rpc/value.ts"
import { Secret } from "../../provider/secret.ts"
import { FakeEngine } from "../helpers/engine.ts"
import { type IsolatedHost, startIsolatedHost } from "../helpers/isolatedHost.ts"
import { elf, pvhKernel, xenNote } from "../helpers/kernels.ts"
import { ProviderClient } from "../helpers/providerClient.ts"

interface World {
  folder: string
  host: IsolatedHost
  client: ProviderClient
  engine: FakeEngine
  stop: () => Promise<void>
}
const test = anyTest as TestFn<World>

test.before(async t => {
  const folder = await mkdtemp(join(tmpdir(), "kernel-"))
  // What is unpacked and downloaded is kept in the user's cache; the tests keep to their own.
  process.env.XDG_CACHE_HOME = join(folder, "cache")
  const host = await startIsolatedHost()
  const engine = await FakeEngine.start()
  const server = await serve(xenRegistry(), async () => "{}")
  const client = new ProviderClient(server.port)
  await client.handshake(engine.address)
  t.context = { folder, host, client, engine, stop: () => server.stop("the tests are over") }
})

test.after.always(async t => {
  const { folder, host, client, engine, stop } = t.context
  client.close()
  await stop()
  engine.stop()
  await host.stop()
  await rm(folder, { recursive: true })
})

const digestOf = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex")
let serial = 0

/** A kernel of its own for each test: its bytes, its file, its digest, and a URN to manage it under. */
async function makeKernel({ folder }: World, bytes = pvhKernel(`kernel ${++serial}`)) {
  const path = join(folder, `hello-${++serial}.xen`)
  await writeFile(path, bytes)
  return { bytes, path, digest: digestOf(bytes), urn: `urn:pulumi:s::p::xen:index:Kernel::k${serial}` }
}

async function reject(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return (error as grpc.ServiceError).details
  }
  throw new Error("it did not fail")
}

async function onHost(host: IsolatedHost, digest: string): Promise<Buffer | undefined> {
  return readFile(join(host.store, "kernels", digest)).catch(() => undefined)
}

async function create(world: World, kernel: { path: string; urn: string }, extra: Properties = {}) {
  const given = { connection: world.host.connection, source: kernel.path, ...extra }
  const { inputs, failures } = await world.client.check(kernel.urn, given)
  if (failures.length > 0) throw new Error(JSON.stringify(failures))
  return { inputs, ...(await world.client.create(kernel.urn, inputs)) }
}

test("a kernel lands in the host's store under its digest, and its outputs say what it is", async t => {
  const kernel = await makeKernel(t.context)
  const { id, outputs } = await create(t.context, kernel)
  t.is(id, kernel.digest)
  t.deepEqual(outputs, {
    digest: kernel.digest,
    size: kernel.bytes.length,
    kinds: ["pvh", "multiboot1"],
    path: `/var/lib/pulumi-xen/kernels/${kernel.digest}`,
    integrity: "intact",
  })
  t.deepEqual(await onHost(t.context.host, kernel.digest), kernel.bytes)
})

test("a preview shows digest and kind, and touches no host", async t => {
  const kernel = await makeKernel(t.context)
  const nowhere = { host: "127.0.0.1", port: 1 }
  const { inputs } = await t.context.client.check(kernel.urn, { connection: nowhere, source: kernel.path })
  const { outputs } = await t.context.client.create(kernel.urn, inputs, { preview: true })
  t.like(outputs, { digest: kernel.digest, kinds: ["pvh", "multiboot1"], size: kernel.bytes.length })
})

test("a source that another resource has yet to make is left for the update", async t => {
  const kernel = await makeKernel(t.context)
  const given = { connection: { host: unknown }, source: unknown } as Properties
  const { inputs, failures } = await t.context.client.check(kernel.urn, given)
  t.deepEqual(failures, [])
  t.deepEqual((await t.context.client.create(kernel.urn, inputs, { preview: true })).outputs, {})
})

const packings: [name: string, command: string[]][] = [
  ["gzip", ["gzip"]],
  ["bzip2", ["bzip2"]],
  ["xz", ["xz"]],
  ["zstd", ["zstd", "-q"]],
]
for (const [name, [program, ...options]] of packings) {
  test(`a kernel packed with ${name} is the kernel inside it, whatever its file is called`, async t => {
    const kernel = await makeKernel(t.context)
    const packed = execFileSync(program!, [...options, "-c"], { input: kernel.bytes })
    await writeFile(kernel.path, packed)
    const { id } = await create(t.context, kernel)
    t.is(id, kernel.digest)
    t.deepEqual(await onHost(t.context.host, kernel.digest), kernel.bytes)
  })

  test(`a kernel whose ${name} file is cut off is refused in the preview`, async t => {
    const kernel = await makeKernel(t.context, pvhKernel(Buffer.alloc(200_000, `${name} `)))
    const packed = execFileSync(program!, [...options, "-c"], { input: kernel.bytes })
    await writeFile(kernel.path, packed.subarray(0, packed.length - 5))
    const { failures } = await t.context.client.check(kernel.urn, {
      connection: t.context.host.connection,
      source: kernel.path,
    })
    t.is(failures.length, 1)
    t.regex(
      failures[0]!.reason,
      new RegExp(`^kernel ${kernel.path} is cut off or altered: it does not unpack as ${name} `),
    )
  })
}

test("the same kernel from another file, packed otherwise, over another connection is no change", async t => {
  const kernel = await makeKernel(t.context)
  const { id, inputs, outputs } = await create(t.context, kernel)
  const packed = `${kernel.path}.gz`
  await writeFile(packed, gzipSync(kernel.bytes))
  const given = { connection: { ...t.context.host.connection, host: "localhost" }, source: packed }
  const news = (await t.context.client.check(kernel.urn, given)).inputs
  t.like(await t.context.client.diff(kernel.urn, id, { inputs, outputs }, news), {
    changes: "none",
    detail: {},
  })
})

test("another image is another kernel", async t => {
  const kernel = await makeKernel(t.context)
  const { id, inputs, outputs } = await create(t.context, kernel)
  await writeFile(kernel.path, pvhKernel("rebuilt"))
  const given = { connection: t.context.host.connection, source: kernel.path }
  const news = (await t.context.client.check(kernel.urn, given)).inputs
  const diff = await t.context.client.diff(kernel.urn, id, { inputs, outputs }, news)
  t.like(diff, { changes: "some", detail: { sha256: "update-replace" }, deleteBeforeReplace: false })
})

test("a kernel that the host has already is not sent", async t => {
  const kernel = await makeKernel(t.context)
  await create(t.context, kernel)
  const sent = t.context.engine.lines.length
  await create(t.context, kernel)
  const lines = t.context.engine.lines.slice(sent).filter(line => line.urn === kernel.urn)
  t.true(
    lines.some(line => line.message.startsWith("0 of ")),
    JSON.stringify(lines),
  )
})

test("an asset is a kernel like a file", async t => {
  const kernel = await makeKernel(t.context)
  const source = new Asset({ path: kernel.path }, kernel.digest)
  const given = { connection: t.context.host.connection, source }
  const { inputs } = await t.context.client.check(kernel.urn, given)
  t.is((await t.context.client.create(kernel.urn, inputs)).id, kernel.digest)
})

const wrong: [title: string, make: (path: string) => Promise<unknown>, reason: RegExp][] = [
  ["a missing file", async () => {}, /^kernel \S+ does not exist; was it built\?$/],
  ["a directory", path => mkdir(path), /^kernel \S+ is a directory; name the file in it$/],
  ["an empty file", path => writeFile(path, ""), /^kernel \S+ is empty; was its build interrupted\?$/],
  [
    "a text",
    path => writeFile(path, "hello"),
    /^kernel \S+ is no kernel: it begins with the bytes 68 65 6c 6c/,
  ],
  [
    "an ELF for ARM",
    path => writeFile(path, elf({ machine: 40 })),
    /^kernel \S+ is an ELF file for ARM; these Xen hosts run/,
  ],
  ["a link to nothing", path => symlink("/nonexistent/kernel", path), /^kernel \S+ does not exist/],
  ["a device", path => symlink("/dev/null", path), /^kernel \S+ is no ordinary file$/],
  [
    "an ordinary program",
    path => copyFile("/bin/true", path),
    /^kernel \S+ is an ELF file without a Xen note/,
  ],
]
for (const [title, make, reason] of wrong) {
  test(`${title} is refused in the preview by one sentence that names it`, async t => {
    const path = join(t.context.folder, `wrong-${++serial}`)
    await make(path)
    const { failures } = await t.context.client.check("urn:pulumi:s::p::xen:index:Kernel::wrong", {
      connection: t.context.host.connection,
      source: path,
    })
    t.is(failures.length, 1)
    t.is(failures[0]!.property, "source")
    t.regex(failures[0]!.reason, reason)
  })
}

const wrongInputs: [title: string, given: Properties, property: string, reason: RegExp][] = [
  [
    "a digest that is none",
    { sha256: "abc" },
    "sha256",
    /^sha256 must be a SHA-256 in 64 hexadecimal digits; sha256 is "abc"$/,
  ],
  [
    "a path with a newline",
    { source: "a\nb" },
    "source",
    /^source must be a path or an address on one line; source is "a\\nb"$/,
  ],
  ["neither source nor digest", {}, "source", /^a kernel needs source, or sha256 of one that the host has$/],
  ["an http address", { source: "http://127.0.0.1/k" }, "source", /must come from a file or by https/],
  [
    "an https address without a digest",
    { source: "https://127.0.0.1/k" },
    "source",
    /needs sha256 beside its address/,
  ],
  [
    "a port that is none",
    { source: "x", connection: { host: "h", port: 70000 } },
    "connection.port",
    /whole number from 1 to 65535; connection\.port is 70000$/,
  ],
  [
    "a host with a newline",
    { source: "x", connection: { host: "h\nProxyCommand x" } },
    "connection.host",
    /^connection\.host must be a host name/,
  ],
  [
    "a host that looks like an option",
    { source: "x", connection: { host: "-oProxyCommand=x" } },
    "connection.host",
    /must be a host name/,
  ],
  [
    "a misspelt connection",
    { source: "x", connection: { host: "h", privateKeypath: "k" } },
    "connection.privateKeypath",
    /did you mean privateKeyPath\?/,
  ],
]
for (const [title, given, property, reason] of wrongInputs) {
  test(`${title} is refused in the preview`, async t => {
    const inputs = { connection: t.context.host.connection, ...given }
    const { failures } = await t.context.client.check("urn:pulumi:s::p::xen:index:Kernel::wrong", inputs)
    t.is(failures.length, 1, JSON.stringify(failures))
    t.is(failures[0]!.property, property)
    t.regex(failures[0]!.reason, reason)
  })
}

test("a digest that the file does not have is refused with both digests", async t => {
  const kernel = await makeKernel(t.context)
  const other = "0".repeat(64)
  const { failures } = await t.context.client.check(kernel.urn, {
    connection: t.context.host.connection,
    source: kernel.path,
    sha256: other,
  })
  t.regex(failures[0]!.reason, new RegExp(`has the SHA-256 ${kernel.digest}, and ${other} was asked for`))
})

test("the digest of the packed file and that of the kernel inside it are both taken", async t => {
  const kernel = await makeKernel(t.context)
  const packed = gzipSync(kernel.bytes)
  await writeFile(kernel.path, packed)
  for (const sha256 of [digestOf(packed), kernel.digest, kernel.digest.toUpperCase()]) {
    const given = { connection: t.context.host.connection, source: kernel.path, sha256 }
    const { inputs, failures } = await t.context.client.check(kernel.urn, given)
    t.deepEqual(failures, [])
    t.is(inputs.sha256, kernel.digest)
  }
})

test("refresh finds an intact kernel as it was", async t => {
  const kernel = await makeKernel(t.context)
  const { id, inputs, outputs } = await create(t.context, kernel)
  const live = await t.context.client.read(kernel.urn, id, { inputs, outputs })
  t.deepEqual(live, { id, inputs, outputs })
})

test("refresh notices a kernel that is gone", async t => {
  const kernel = await makeKernel(t.context)
  const { id, inputs, outputs } = await create(t.context, kernel)
  await rm(join(t.context.host.store, "kernels", id))
  t.is((await t.context.client.read(kernel.urn, id, { inputs, outputs })).id, "")
})

test("refresh notices an altered kernel, the diff shows it, and the update sends it again", async t => {
  const kernel = await makeKernel(t.context)
  const { id, inputs, outputs } = await create(t.context, kernel)
  await writeFile(join(t.context.host.store, "kernels", id), "altered")
  const live = await t.context.client.read(kernel.urn, id, { inputs, outputs })
  t.is(live.outputs.integrity, "altered")
  const diff = await t.context.client.diff(kernel.urn, id, live, inputs)
  t.like(diff, {
    changes: "some",
    detail: { integrity: "update" },
    inputDiff: { integrity: false },
    replaces: [],
  })
  const mended = await t.context.client.update(kernel.urn, id, live, inputs)
  t.is(mended.integrity, "intact")
  t.deepEqual(await onHost(t.context.host, id), kernel.bytes)
})

test("import finds a kernel by host and digest, and what it gives checks to no change", async t => {
  const kernel = await makeKernel(t.context)
  await create(t.context, kernel)
  const { host, port, user, privateKeyPath, hostKey } = t.context.host.connection
  const knownHosts = join(t.context.folder, "known_hosts")
  await writeFile(knownHosts, `[${host}]:${port} ${hostKey}\n`)
  const registry = xenRegistry()
  registry.configure({ privateKeyPath, knownHosts: [knownHosts] })
  const server = await serve(registry, async () => "{}")
  const client = new ProviderClient(server.port)
  t.teardown(async () => {
    client.close()
    await server.stop("the test is over")
  })
  const found = await client.read(kernel.urn, `ssh://${user}@${host}:${port}/kernels/${kernel.digest}`)
  t.like(found, { id: kernel.digest, inputs: { connection: { host, port, user }, sha256: kernel.digest } })
  const { inputs, failures } = await client.check(kernel.urn, found.inputs)
  t.deepEqual(failures, [])
  t.like(await client.diff(kernel.urn, found.id, found, inputs), { changes: "none" })
  t.is((await client.read(kernel.urn, `ssh://${user}@${host}:${port}/kernels/${"0".repeat(64)}`)).id, "")
})

const wrongIds: [id: string, reason: RegExp][] = [
  ["www1", /must look like ssh:\/\/root@host:22\/kernels\/NAME; "www1" does not$/],
  ["ssh://root@www1:22/kernels/../../etc/passwd", /does not$/],
  [`ssh://root@www1:22/kernels/${"z".repeat(64)}`, /NAME must be a SHA-256/],
  [`ssh://root@www1:99999/kernels/${"0".repeat(64)}`, /99999 is no TCP port$/],
  [`ssh://root@www1:22/domains/${"0".repeat(64)}`, /names "domains"$/],
  [`ssh://root@www1:22/kernels/${"0".repeat(64)}\n`, /does not$|NAME must be/],
]
for (const [id, reason] of wrongIds) {
  test(`the import id ${JSON.stringify(id)} is refused before any host is asked`, async t => {
    t.regex(await reject(t.context.client.read("urn:pulumi:s::p::xen:index:Kernel::i", id)), reason)
  })
}

test("a digest alone means a kernel that the host has, and says so when it has none", async t => {
  const kernel = await makeKernel(t.context)
  const inputs = { connection: t.context.host.connection, sha256: kernel.digest }
  t.regex(
    await reject(t.context.client.create(kernel.urn, inputs)),
    /was said to have the kernel \w+ and has none; give its source as well$/,
  )
  await create(t.context, kernel)
  t.is((await t.context.client.create(kernel.urn, inputs)).id, kernel.digest)
})

test("delete removes the kernel and its mark, and a second time finds nothing to do", async t => {
  const kernel = await makeKernel(t.context)
  const { id, inputs, outputs } = await create(t.context, kernel)
  await t.context.client.delete(kernel.urn, id, { inputs, outputs })
  t.is(await onHost(t.context.host, id), undefined)
  t.false((await readdir(join(t.context.host.store, "owners/kernels"))).includes(id))
  await t.context.client.delete(kernel.urn, id, { inputs, outputs })
})

test("a kernel that another resource uses outlives the first, and goes with the last", async t => {
  const kernel = await makeKernel(t.context)
  const first = await create(t.context, kernel)
  const other = { ...kernel, urn: `${kernel.urn}-other` }
  await create(t.context, other)
  await t.context.client.delete(kernel.urn, first.id, first)
  t.deepEqual(await onHost(t.context.host, first.id), kernel.bytes)
  t.true(
    t.context.engine.lines.some(
      line => line.urn === kernel.urn && line.message.includes(`used by resource:${other.urn}`),
    ),
  )
  await t.context.client.delete(other.urn, first.id, first)
  t.is(await onHost(t.context.host, first.id), undefined)
})

test("a kernel that a domain's generation names is kept, and the user is told which domain", async t => {
  const kernel = await makeKernel(t.context)
  const made = await create(t.context, kernel)
  const domain = join(t.context.host.store, "domains", "www")
  await mkdir(domain, { recursive: true })
  await writeFile(join(domain, "1.cfg"), `kernel = "${String(made.outputs.path)}"\n`)
  await t.context.client.delete(kernel.urn, made.id, made)
  t.deepEqual(await onHost(t.context.host, made.id), kernel.bytes)
  t.true(
    t.context.engine.lines.some(
      line => line.urn === kernel.urn && line.message.endsWith("it is used by domain:www"),
    ),
  )
})

test("inspectKernel says what a file is without a host", async t => {
  const kernel = await makeKernel(t.context, elf({ notes: [xenNote.entry, xenNote.loader], payload: "pv" }))
  const { outputs, failures } = await t.context.client.invoke("xen:index:inspectKernel", {
    source: kernel.path,
  })
  t.deepEqual(failures, [])
  t.deepEqual(outputs, {
    digest: kernel.digest,
    size: kernel.bytes.length,
    kinds: ["pv"],
    machine: "x86_64",
    notes: { ENTRY: "0x1000", LOADER: "generic" },
  })
  t.regex(
    await reject(t.context.client.invoke("xen:index:inspectKernel", { source: "/nonexistent" })),
    /does not exist/,
  )
})

test("a wrong host key is one sentence with what was expected, and nothing is sent", async t => {
  const kernel = await makeKernel(t.context)
  const other = await startIsolatedHost()
  t.teardown(() => other.stop())
  const connection = { ...t.context.host.connection, hostKey: other.hostKey }
  const message = await reject(
    t.context.client.create(kernel.urn, { connection, source: kernel.path, sha256: kernel.digest }),
  )
  t.regex(message, /host key/i)
  t.notRegex(message, /\n/)
  t.is(await onHost(t.context.host, kernel.digest), undefined)
})

test("a host that is full says so in one sentence, and no part of the kernel stays", async t => {
  const small = await startIsolatedHost({ size: "1m" })
  t.teardown(() => small.stop())
  const kernel = await makeKernel(t.context, pvhKernel(Buffer.alloc(3_000_000, 7)))
  const given = { connection: small.connection, source: kernel.path, sha256: kernel.digest }
  const message = await reject(t.context.client.create(kernel.urn, given))
  t.regex(message, /space|full/i)
  t.notRegex(message, /\n/)
  t.deepEqual(await readdir(join(small.store, "kernels")), [])
})

test("a private key in the connection stays sealed, and appears in no message and no process list", async t => {
  const kernel = await makeKernel(t.context)
  const { host, port, user, hostKey, privateKeyPath } = t.context.host.connection
  const privateKey = await readFile(privateKeyPath, "utf8")
  const given = { connection: { host, port, user, hostKey, privateKey }, source: kernel.path }
  const { inputs } = await t.context.client.check(kernel.urn, given)
  t.true((inputs.connection as Properties).privateKey instanceof Secret)
  const { outputs } = await t.context.client.create(kernel.urn, inputs)
  t.is(outputs.digest, kernel.digest, "how the host is reached makes nothing else secret")
  const secretLine = privateKey.split("\n")[2]!
  t.notRegex(JSON.stringify(t.context.engine.lines), new RegExp(secretLine.replace(/[+/]/g, "\\$&")))
})

test("the executable prints its port, serves, and ends when pulumi does", async t => {
  const program = new URL("../../provider/pulumi-resource-xen", import.meta.url).pathname
  // A parent that is killed cannot say goodbye: the provider has to notice by itself.
  const parent = spawn("sh", ["-c", `"${program}" & echo $!; wait`])
  const lines = await new Promise<string[]>((resolve, reject) => {
    let text = ""
    parent.stdout.on("data", chunk => {
      text += chunk
      const found = text.trim().split("\n")
      if (found.length === 2) resolve(found)
    })
    parent.once("exit", () => reject(new Error("the provider did not start")))
  })
  const [pid, port] = lines.map(Number) as [number, number]
  const client = new ProviderClient(port)
  t.regex(await client.pluginVersion(), /^\d+\.\d+\.\d+$/)
  client.close()
  parent.kill("SIGKILL")
  while (await isRunning(pid)) await new Promise(done => setTimeout(done, 50))
  t.false(await isRunning(pid))
})

async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")
  return stat !== "" && !/\) Z /.test(stat)
}

test("an unreadable file is refused as such", async t => {
  const kernel = await makeKernel(t.context)
  await chmod(kernel.path, 0)
  // Root reads every file; the sentence is for everybody else.
  const script = `import { openKernel } from ${JSON.stringify(new URL("../../provider/kernel/image.ts", import.meta.url).pathname)}
    process.setuid(65534)
    await openKernel(${JSON.stringify(kernel.path)}).catch(error => console.log(error.message))`
  await chmod(t.context.folder, 0o755)
  const { stdout } = await $`${process.execPath} --input-type=module -e ${script}`
  t.is(stdout.trim(), `kernel ${kernel.path} cannot be read: permission denied`)
})
