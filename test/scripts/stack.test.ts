import { once } from "node:events"
import test from "ava"
import { pvhKernel } from "../helpers/kernels.ts"
import { PulumiStack } from "../helpers/pulumiStack.ts"
import { SimulatedHost } from "../helpers/simulatedXen/host.ts"
import { runScript, says, startScript } from "../helpers/stackScript.ts"

const up = ["up", "--yes", "--skip-preview"]
const quick = { health: { http: { path: "/health" }, settle: 0.2, interval: 0.1 }, drain: 1, probation: 0 }

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

  const json = await runScript(stack, "status", "--json")
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
  const table = await runScript(stack, "status")
  t.regex(table.stdout, new RegExp(`www +running +healthy +${second} \\(of 2\\)`))

  const logs = await runScript(stack, "logs", "www")
  t.is(logs.exit, 0, logs.stderr)
  t.true(logs.stdout.indexOf(first) < logs.stdout.indexOf(second))
  const console = await host.inside(`cat /var/log/xen/console/guest-www.${first}.log`)
  t.true(logs.stdout.includes(console.trim().split("\n")[0]!.trim()), "from the first byte")

  const listed = await runScript(stack, "rollback", "www", "--list")
  t.regex(listed.stdout, new RegExp(`\\* ${second}  began to serve`))
  t.regex(listed.stdout, new RegExp(`  ${first}  began to serve`))

  const following = startScript(stack, "logs", ["www", "-f"])
  t.teardown(() => following.kill())
  await says(following, second)
  const back = await runScript(stack, "rollback", "www")
  t.is(back.exit, 0, back.stdout + back.stderr)
  t.regex(back.stdout, new RegExp(`www is held at generation ${first}`))
  t.true((await host.fetch("10.0.2.20")).includes("v1"))
  following.kill("SIGINT")
  const [code] = (await once(following, "close")) as [number]
  t.is(code, 130)

  const held = await stack.succeed(["config", "get", "rollback:www"])
  t.is(held.stdout.trim(), first)
  const released = await runScript(stack, "rollback", "www", "--release")
  t.regex(released.stdout, new RegExp(`www is at generation ${second}, as the program says`))
  t.true((await host.fetch("10.0.2.20")).includes("v2"))

  const unknown = await runScript(stack, "logs", "mail")
  t.is(unknown.exit, 1)
  t.regex(unknown.stderr, /^The stack has no domain mail; it has www@127\.0\.0\.1\.$/m)
  t.is((await runScript(stack, "logs")).exit, 2)

  await host.inside("xl pause www")
  const paused = await runScript(stack, "status")
  t.is(paused.exit, 1)
  t.regex(paused.stdout, /www +paused +-/)
})
