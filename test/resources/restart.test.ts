import test from "ava"
import { apply } from "../../provider/host/apply.ts"
import { step, write } from "../../provider/host/step.ts"
import { SshConnection } from "../../provider/ssh/index.ts"
import { startWiredHost } from "../helpers/wiredHost.ts"
import { SETTINGS } from "../host/helpers/settings.ts"

test("what follows a restart in a plan is done over a new connection, and the caller's is closed", async t => {
  t.timeout(300_000)
  await using wired = await startWiredHost(SETTINGS["systemd-networkd, static"]!)
  const connection = await SshConnection.open({ ...wired.connection, sshConfig: false })
  const statuses: string[] = []
  const plan = [
    step("Write one", [write("/root/one", "before\n")]),
    step("Restart", [], { risk: "reboot" }),
    step("Write two", [write("/root/two", "after\n")]),
  ]
  await apply(connection, plan, { onStatus: text => statuses.push(text) })
  const after = await SshConnection.open({ ...wired.connection, sshConfig: false })
  t.is((await after.run(["cat", "/root/one", "/root/two"])).stdout, "before\nafter\n")
  await after.close()
  t.true(statuses.some(text => text.startsWith("waiting for the machine to restart")))
})
