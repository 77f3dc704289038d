import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import test from "ava"
import { lock, lockOneOf } from "../../scripts/lab/lock.ts"

const holderProgram = `
  import { lock } from ${JSON.stringify(join(import.meta.dirname, "../../scripts/lab/lock.ts"))}
  await lock("shared", () => {})
  console.log("held")
  process.stdin.resume()
`

test.before(async () => {
  process.env.PULUMI_XEN_CACHE = await mkdtemp(join(tmpdir(), "lab-lock-"))
})

test.after.always(() => rm(process.env.PULUMI_XEN_CACHE!, { recursive: true }))

test.serial("a lock is let go at the end of its block, and can be taken again without waiting", async t => {
  const waited: string[] = []
  {
    await using _ = await lock("again", holder => waited.push(holder))
  }
  await using _ = await lock("again", holder => waited.push(holder))
  t.deepEqual(waited, [])
})

test.serial(
  "who waits is told who holds the lock, and gets it when the holder is killed with kill -9",
  async t => {
    const holder = await startHolder()
    const waited: string[] = []
    const taken = lock("shared", who => {
      waited.push(who)
      holder.kill("SIGKILL")
    })
    await using _ = await taken
    t.deepEqual(waited, [`process ${holder.pid}`])
  },
)

test.serial("of two locks any is taken, and who finds both held gets the first that is let go", async t => {
  const names = ["one", "two"]
  const first = await lockOneOf(names)
  await using _ = await lockOneOf(names)
  let got = false
  const third = lockOneOf(names, 10).then(lock => {
    got = true
    return lock
  })
  await sleep(100)
  t.false(got)
  await first[Symbol.asyncDispose]()
  await using __ = await third
  t.true(got)
})

test.serial("a process that keeps a lock comes to its end, and the lock is free then", async t => {
  const program = holderProgram.replace("process.stdin.resume()", "")
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], { timeout: 30_000 })
  t.deepEqual(await once(child, "exit"), [0, null])
  await using _ = await lock("shared", () => {})
})

async function startHolder(): Promise<ChildProcess> {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", holderProgram], {
    stdio: ["pipe", "pipe", "inherit"],
  })
  await once(child.stdout!, "data")
  return child
}
