import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { hostname, tmpdir } from "node:os"
import { join } from "node:path"
import test from "ava"
import { releaseDeadLocks } from "../../scripts/stack/lock.ts"
import { PulumiStack } from "../helpers/pulumiStack.ts"

test("the lock of a pulumi that was killed is taken away; one that runs, or runs elsewhere, keeps its own", async t => {
  const state = await mkdtemp(join(tmpdir(), "locks-"))
  t.teardown(() => rm(state, { recursive: true }))
  await releaseDeadLocks(state)

  const dead = spawn("true")
  await once(dead, "exit")
  const folder = join(state, ".pulumi/locks/organization/project/stack")
  await mkdir(folder, { recursive: true })
  const lock = (name: string, pid: number, on = hostname()) =>
    writeFile(
      join(folder, `${name}.json`),
      JSON.stringify({ pid, username: "u", hostname: on, timestamp: "" }),
    )
  await lock("dead", dead.pid!)
  await lock("running", process.pid)
  await lock("elsewhere", dead.pid!, "another.example.org")
  await releaseDeadLocks(state)
  t.deepEqual((await readdir(folder)).sort(), ["elsewhere.json", "running.json"])
})

test("a stack whose pulumi was killed can be updated again", async t => {
  const stack = await PulumiStack.create("unikernels")
  t.teardown(() => stack.remove())
  await stack.configure({ wanted: { hosts: {}, unikernels: {} } })
  const dead = spawn("true")
  await once(dead, "exit")
  const folder = join(stack.directory, "state/.pulumi/locks/organization/unikernels/test")
  await mkdir(folder, { recursive: true })
  const held = { pid: dead.pid, username: "u", hostname: hostname(), timestamp: "2026-01-01T00:00:00Z" }
  await writeFile(join(folder, "0.json"), JSON.stringify(held))
  const up = ["up", "--yes", "--skip-preview"]
  const refused = await stack.run(up)
  t.not(refused.exit, 0)
  t.regex(refused.stdout + refused.stderr, /locked/)
  await releaseDeadLocks(join(stack.directory, "state"))
  await stack.succeed(up)
})

test("a state in a directory is replaced at one stroke: no file of it is one that a killed pulumi may leave empty", async t => {
  const stack = await PulumiStack.create("unikernels")
  t.teardown(() => stack.remove())
  await stack.configure({ wanted: { hosts: {}, unikernels: {} } })
  const up = ["up", "--yes", "--skip-preview"]
  await stack.succeed(up)
  const state = join(stack.directory, "state")
  const attributes = async () =>
    (await readdir(state, { recursive: true })).filter(name => name.endsWith(".attrs"))
  t.deepEqual(await attributes(), [])

  // Pulumi by itself writes them in place, and once they are empty reads no state.
  const { PULUMI_BACKEND_URL: url } = stack.environment
  stack.environment.PULUMI_BACKEND_URL = url!.replace(/\?.*/, "")
  await stack.succeed(up)
  const written = await attributes()
  t.true(written.includes(".pulumi/stacks/unikernels/test.json.attrs"))
  await writeFile(join(state, ".pulumi/stacks/unikernels/test.json.attrs"), "")
  t.regex((await stack.run(up)).stderr, /failed to load checkpoint: EOF/)
})
