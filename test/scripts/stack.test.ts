import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import test from "ava"
import { pvhKernel } from "../helpers/kernels.ts"
import { type Outcome, PulumiStack } from "../helpers/pulumiStack.ts"
import { SimulatedHost } from "../helpers/simulatedXen/host.ts"

const up = ["up", "--yes", "--skip-preview"]
const quick = { health: { http: { path: "/health" }, settle: 0.2, interval: 0.1 }, drain: 1, probation: 0 }

function start(stack: PulumiStack, script: string, args: readonly string[]): ChildProcess {
  const path = fileURLToPath(new URL(`../../scripts/${script}.ts`, import.meta.url))
  return spawn(process.execPath, [path, ...args], {
    cwd: stack.project,
    env: stack.environment,
    stdio: ["ignore", "pipe", "pipe"],
  })
}

async function run(stack: PulumiStack, script: string, ...args: string[]): Promise<Outcome> {
  const child = start(stack, script, args)
  const [out, err] = [[], []] as [string[], string[]]
  child.stdout!.on("data", chunk => out.push(String(chunk)))
  child.stderr!.on("data", chunk => err.push(String(chunk)))
  const [exit] = (await once(child, "close")) as [number]
  return { exit, stdout: out.join(""), stderr: err.join("") }
}

/** Resolves when the lines of a running script hold the text. */
async function says(child: ChildProcess, text: string): Promise<void> {
  let seen = ""
  for await (const chunk of child.stdout!.iterator({ destroyOnReturn: false })) {
    seen += String(chunk)
    if (seen.includes(text)) return
  }
  throw new Error(`it ended without saying ${JSON.stringify(text)}:\n${seen}`)
}

test("status, logs and rollback find hosts and domains in the stack's state, and say how they are", async t => {
  await using host = await SimulatedHost.start()
  const stack = await PulumiStack.create("unikernels")
  t.teardown(() => stack.remove())
  const deploy = async (version: string) => {
    const kernel = await stack.write("www.xen", pvhKernel(version))
    const words = ["--ipv4=10.0.2.20/24", "--ipv4-gateway=10.0.2.2", `--version-text=${version}`]
    const unikernels = { www: { host: "a", kernel, arguments: words, ...quick } }
    await stack.configure({ wanted: { hosts: { a: { connection: host.connection } }, unikernels } })
    await stack.succeed(up)
    const { stdout } = await stack.succeed(["stack", "output", "outputs", "--json"])
    return JSON.parse(stdout).www.generation as string
  }
  const first = await deploy("v1")
  const second = await deploy("v2")

  const json = await run(stack, "status", "--json")
  t.is(json.exit, 0, json.stderr)
  const [seen, ...more] = JSON.parse(json.stdout)
  t.deepEqual(more, [])
  t.like(seen, { others: [] })
  t.true(seen.freeMemory > 0 && seen.freeMemory < seen.totalMemory)
  t.like(seen.domains[0], {
    ...{ resource: "www", name: "www", state: "running", generation: second },
    ...{ health: { ok: true }, memory: 32, addresses: ["10.0.2.20/24"] },
  })
  t.deepEqual([...seen.domains[0].generations].sort(), [first, second].sort())
  const table = await run(stack, "status")
  t.regex(table.stdout, new RegExp(`www +running +healthy +${second} \\(of 2\\)`))

  const logs = await run(stack, "logs", "www")
  t.is(logs.exit, 0, logs.stderr)
  t.true(logs.stdout.indexOf(first) < logs.stdout.indexOf(second))
  const console = await host.inside(`cat /var/log/xen/console/guest-www.${first}.log`)
  t.true(logs.stdout.includes(console.trim().split("\n")[0]!.trim()), "from the first byte")

  const listed = await run(stack, "rollback", "www", "--list")
  t.regex(listed.stdout, new RegExp(`\\* ${second}  began to serve`))
  t.regex(listed.stdout, new RegExp(`  ${first}  began to serve`))

  const following = start(stack, "logs", ["www", "-f"])
  t.teardown(() => following.kill())
  await says(following, second)
  const back = await run(stack, "rollback", "www")
  t.is(back.exit, 0, back.stdout + back.stderr)
  t.regex(back.stdout, new RegExp(`www is held at generation ${first}`))
  t.true((await host.fetch("10.0.2.20")).includes("v1"))
  following.kill("SIGINT")
  const [code] = (await once(following, "close")) as [number]
  t.is(code, 130)

  const held = await stack.succeed(["config", "get", "rollback:www"])
  t.is(held.stdout.trim(), first)
  const released = await run(stack, "rollback", "www", "--release")
  t.regex(released.stdout, new RegExp(`www is at generation ${second}, as the program says`))
  t.true((await host.fetch("10.0.2.20")).includes("v2"))

  const unknown = await run(stack, "logs", "mail")
  t.is(unknown.exit, 1)
  t.regex(unknown.stderr, /^The stack has no domain mail; it has www@127\.0\.0\.1\.$/m)
  t.is((await run(stack, "logs")).exit, 2)

  await host.inside("xl pause www")
  const paused = await run(stack, "status")
  t.is(paused.exit, 1)
  t.regex(paused.stdout, /www +paused +-/)
})
