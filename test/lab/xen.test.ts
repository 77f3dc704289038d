import test from "ava"
import { TURN, xenMachine } from "../helpers/lab.ts"

test.before(async t => {
  t.timeout(TURN)
  // Made here if it is not there yet, so that the tests themselves take seconds.
  await using _ = await xenMachine()
})

test.serial(
  "a machine with Xen has its control domain, its bridge on eth0 and its guests' consoles logged",
  async t => {
    await using host = await xenMachine()
    const said = await host.run(`
    cat /proc/xen/capabilities
    xl list | awk 'NR > 1 { print $1 }'
    ls /sys/class/net/xenbr0/brif
    ip -4 -brief address show dev xenbr0 | awk '{ print $3 }'
    pgrep -a xenconsoled | grep -o -e --log=guest
  `)
    t.is(said, "control_d\nDomain-0\neth0\n10.0.2.15/24\n--log=guest\n")
  },
)

test.serial("its Xen was given the options that the inventory names", async t => {
  await using host = await xenMachine()
  const commandLine = await host.run("xl info xen_commandline")
  for (const option of host.host.xenOptions) t.true(commandLine.includes(option), commandLine)
})

test.serial("what one test does to its machine another test's machine does not see", async t => {
  await using one = await xenMachine()
  await one.run("touch /root/seen; sync")
  await using other = await xenMachine()
  await t.throwsAsync(other.run("ls /root/seen"), { message: /No such file/ })
  t.not(await one.run("cat /etc/machine-id"), await other.run("cat /etc/machine-id"))
  t.not(one.host.hostKey, other.host.hostKey)
})
