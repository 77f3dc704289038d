import { createHash } from "node:crypto"
import { readdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import anyTest, { type TestFn } from "ava"
import { type IsolatedHost, startIsolatedHost } from "../helpers/isolatedHost.ts"
import { pvhKernel } from "../helpers/kernels.ts"
import { PulumiStack } from "../helpers/pulumiStack.ts"

const test = anyTest as TestFn<{ host: IsolatedHost; stack: PulumiStack }>

test.beforeEach(async t => {
  t.context = { host: await startIsolatedHost(), stack: await PulumiStack.create("kernels") }
})
test.afterEach.always(async t => {
  await t.context.host.stop()
  await t.context.stack.remove()
})

const digestOf = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex")
const up = ["up", "--yes", "--skip-preview"]

test("a kernel's life under pulumi: preview, up, no-op, change, drift, refresh, import, destroy", async t => {
  const { host, stack } = t.context
  const first = pvhKernel("first")
  const source = await stack.write("hello.xen", first)
  const wanted = { connection: host.connection, kernels: { hello: { source } } }
  await stack.configure({ wanted })

  const preview = await stack.succeed(["preview", "--diff"])
  t.regex(preview.stdout, /\+ xen:index:Kernel: \(create\)/)
  t.regex(preview.stdout, new RegExp(digestOf(first)))
  t.regex((await stack.succeed(["preview"])).stdout, /pvh, multiboot1/)
  t.deepEqual(await readdir(host.store).catch(() => []), [], "a preview changes nothing")

  const created = await stack.succeed(up)
  t.regex(created.stdout, /\+ 2 created/)
  t.deepEqual(await readdir(join(host.store, "kernels")), [digestOf(first)])

  const again = await stack.succeed(up)
  t.regex(again.stdout, /2 unchanged/)

  const second = pvhKernel("second")
  await writeFile(source, second)
  const change = await stack.succeed(["preview", "--diff"])
  t.regex(change.stdout, /xen:index:Kernel: \(replace\)/)
  await stack.succeed(up)
  t.deepEqual(
    await readdir(join(host.store, "kernels")),
    [digestOf(second)],
    "the old kernel is gone, as nothing uses it",
  )

  await writeFile(join(host.store, "kernels", digestOf(second)), "altered by hand")
  const refreshed = await stack.succeed(["refresh", "--yes", "--skip-preview"])
  t.regex(refreshed.stdout, /~ 1 updated/)
  const repaired = await stack.succeed(up)
  t.regex(repaired.stdout, /~ 1 updated/)
  t.deepEqual(await readFile(join(host.store, "kernels", digestOf(second))), second)

  await rm(join(host.store, "kernels", digestOf(second)))
  await stack.succeed(["refresh", "--yes", "--skip-preview"])
  t.regex((await stack.succeed(up)).stdout, /\+ 1 created/)

  await stack.succeed(["destroy", "--yes", "--skip-preview"])
  t.deepEqual(await readdir(join(host.store, "kernels")), [])
})

test("pulumi import takes a kernel that is on the host, and the program it writes has no changes", async t => {
  const { host, stack } = t.context
  const bytes = pvhKernel("imported")
  const source = await stack.write("hello.xen", bytes)
  const { host: address, port, user, privateKeyPath, hostKey } = host.connection
  const knownHosts = await stack.write("known_hosts", `[${address}]:${port} ${hostKey}\n`)
  await stack.configure({ "xen:privateKeyPath": privateKeyPath, "xen:knownHosts": [knownHosts] })
  await stack.configure({
    wanted: { connection: { host: address, port, user }, kernels: { hello: { source } } },
  })
  await stack.succeed(up)
  await stack.succeed(["state", "delete", "urn:pulumi:test::kernels::xen:index:Kernel::hello"])

  const id = `ssh://${user}@${address}:${port}/kernels/${digestOf(bytes)}`
  const imported = await stack.succeed([
    "import",
    "xen:index:Kernel",
    "hello",
    id,
    "--yes",
    "--protect=false",
    "--generate-code=false",
  ])
  t.regex(imported.stdout, /1 imported/)
  await stack.configure({
    wanted: { connection: { host: address, port, user }, kernels: { hello: { sha256: digestOf(bytes) } } },
  })
  const preview = await stack.succeed(["preview", "--expect-no-changes"])
  t.regex(preview.stdout, /2 unchanged/)
})

test("a failure names the resource in one sentence, and the run after it converges", async t => {
  const { host, stack } = t.context
  const source = await stack.write("hello.xen", pvhKernel("x"))
  const connection = { ...host.connection, port: 1, connectTimeout: 1000 }
  await stack.configure({ wanted: { connection, kernels: { hello: { source } } } })
  const failed = await stack.run(up)
  t.not(failed.exit, 0)
  t.regex(failed.stdout + failed.stderr, /127\.0\.0\.1:1/)
  await stack.configure({ wanted: { connection: host.connection, kernels: { hello: { source } } } })
  t.regex((await stack.succeed(up)).stdout, /\+ 1 created/)
})

/** Every command line of the machine while something runs. */
function watchProcesses(): { seen: () => string; stop: () => void } {
  const lines = new Set<string>()
  const timer = setInterval(async () => {
    for (const pid of await readdir("/proc")) {
      if (/^\d+$/.test(pid)) lines.add(await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""))
    }
  }, 100)
  return { seen: () => [...lines].join("\n"), stop: () => clearInterval(timer) }
}

const keyLines = (key: string): string[] => key.split("\n").filter(line => /^[A-Za-z0-9+/=]{40,}$/.test(line))
const talkative = ["-v=9", "--logtostderr", "--logflow"]

test("a key given by its path is in nothing that pulumi or the provider writes, at its most talkative", async t => {
  const { host, stack } = t.context
  const lines = keyLines(await readFile(host.connection.privateKeyPath, "utf8"))
  t.true(lines.length >= 4)
  const source = await stack.write("hello.xen", pvhKernel("path"))
  await stack.configure({ wanted: { connection: host.connection, kernels: { hello: { source } } } })
  const processes = watchProcesses()
  t.teardown(processes.stop)
  const { exit, stdout, stderr } = await stack.run([...up, ...talkative])
  t.is(exit, 0)
  const everything = [stdout, stderr, await stack.stateText(), processes.seen()].join("\n")
  t.deepEqual(
    lines.filter(line => everything.includes(line)),
    [],
  )
})

test("a key given as a secret is in no output, error, process list or state; only pulumi's own dump of properties has it", async t => {
  const { host, stack } = t.context
  const { privateKeyPath, ...connection } = host.connection
  const key = await readFile(privateKeyPath, "utf8")
  const source = await stack.write("hello.xen", pvhKernel("secret"))
  await stack.configure({ wanted: { connection, kernels: { hello: { source } } } })
  await stack.secret("privateKey", key)
  const processes = watchProcesses()
  t.teardown(processes.stop)
  const outcomes = [
    await stack.run(up),
    await stack.run(["refresh", "--yes", "--skip-preview"]),
    await stack.run(["preview", "--diff"]),
  ]
  const refused = { ...connection, user: "nobody" }
  await stack.configure({
    wanted: { connection: refused, kernels: { hello: { source }, other: { source } } },
  })
  const loud = await stack.run([...up, ...talkative])
  t.deepEqual(
    [...outcomes, loud].map(({ exit }) => exit === 0),
    [true, true, true, false],
  )
  const quiet = outcomes.map(({ stdout, stderr }) => stdout + stderr)
  const everything = [...quiet, loud.stdout, await stack.stateText(), processes.seen()].join("\n")
  const lines = keyLines(key)
  t.deepEqual(
    lines.filter(line => everything.includes(line)),
    [],
  )
  // At -v=9 Pulumi's engine writes every property that passes through it, secrets too
  // (sdk/go/common/resource/plugin/rpc.go). Whatever else writes the key is ours.
  const ours = loud.stderr
    .split("\n")
    .filter(line => lines.some(part => line.includes(part)))
    .filter(line => !/"msg":"(?:Unmarshaling property|Marshaling property|Planner decided)/.test(line))
  t.deepEqual(ours, [])
})
