import test from "ava"
import { apply } from "../../provider/host/apply.ts"
import { run, step } from "../../provider/host/step.ts"
import { ConnectionPool } from "../../provider/ssh/index.ts"
import { startSshd } from "../helpers/sshd.ts"

test("a command that says nothing is seen to go on", async t => {
  const sshd = await startSshd()
  const pool = new ConnectionPool()
  t.teardown(async () => {
    await pool.close()
    await sshd.stop()
  })
  const told: string[] = []
  const plan = [step("Write the menu anew", [run(["sleep", "6"])])]
  await apply(await pool.get(sshd.target), plan, { onStatus: text => told.push(text) })
  t.is(told[0], "Write the menu anew")
  t.regex(told[1] ?? "", /^Write the menu anew, \d+ s$/)
})
