import anyTest, { type TestFn } from "ava"
import { bareMachine, type TestMachine } from "../helpers/lab.ts"
import { PulumiStack } from "../helpers/pulumiStack.ts"

// One machine goes through all of it, in the order of the file: a boot is what is dear.
const test = anyTest.serial as TestFn
let machine: TestMachine
let stack: PulumiStack
let bare: string

const up = ["up", "--yes", "--skip-preview"]
const restart = 15 * 60_000

/** In software emulation dom0 takes minutes for GRUB's menu alone, and that is part of the time. */
const patient = { window: 240, dom0: { window: 1500 } }

/** Beside the one on the uplink. Namespaces have no VLANs everywhere; a machine's own kernel does. */
const bridges = {
  inside0: {},
  xenbr7: { uplink: "eth0", vlan: 7, addressing: { ipv4: { addresses: ["198.51.100.7/24"] } } },
}

/** What must be as it was, in the end. */
const PLAIN = `
uname -r
cat /etc/network/interfaces
ip -br link | awk '{print $1}' | sort
ip -4 -o addr show scope global | awk '{print $2, $4}'
ip -4 route show default | sed 's/ metric.*//; s/ proto [^ ]*//; s/ src [^ ]*//'
dpkg-query -W -f '\${Package} \${db:Status-Status}\n' | grep -c ' installed'
ls /etc/default/grub.d 2>/dev/null || :
grep -c '^menuentry' /boot/grub/grub.cfg
find /var/lib/pulumi-xen -type f ! -name lock ! -path '*/guard/*' 2>/dev/null || :
systemctl --failed --no-legend
`
const bootId = () => machine.run("cat /proc/sys/kernel/random/boot_id")
const want = (more: object) =>
  stack.configure({ hosts: { www1: { ...machine.host, bridges, memory: 1024, ...patient, ...more } } })

test.before(async t => {
  t.timeout(restart)
  machine = await bareMachine("debian")
  bare = await machine.run(PLAIN)
  stack = await PulumiStack.create("xenHost")
})
test.after.always(async () => {
  await machine?.[Symbol.asyncDispose]()
  await stack?.remove()
})

test("a preview says what would be done to a bare machine, and does nothing", async t => {
  t.timeout(restart)
  await want({})
  const { stdout } = await stack.succeed(["preview"])
  t.regex(stdout, /would install xen-system-amd64/)
  t.regex(stdout, /would make the bridge xenbr0 with eth0 as its port/)
  t.regex(stdout, /would restart into Xen \(the machine restarts/)
  t.is(await machine.run(PLAIN), bare)
})

test("one pulumi up makes a Xen host of a bare machine", async t => {
  t.timeout(3 * restart)
  const before = await bootId()
  const { stdout } = await stack.succeed(up)
  t.log(stdout)
  t.regex(stdout, /\+ 7 created/)
  t.not(await bootId(), before)
  t.regex(await machine.run("cat /proc/xen/capabilities"), /control_d/)
  t.regex(await machine.run("xl list"), /Domain-0\s+0\s+1024/)
  t.regex(await machine.run("ip -4 route show default"), /dev xenbr0/)
  t.is((await machine.run("cat /sys/class/net/eth0/master/uevent")).includes("xenbr0"), true)
  t.regex(await machine.run("ip -d link show eth0.7"), /master xenbr7 .*\n.*\n? +vlan protocol 802\.1Q id 7 /)
  t.regex(await machine.run("ip -4 -o addr show xenbr7"), /198\.51\.100\.7\/24/)
  t.is(await machine.run("ls /sys/class/net/inside0/brif"), "")
  t.is(await machine.run("systemctl is-active pulumi-xen-guard-dom0.timer || :"), "inactive\n")
  t.regex(await machine.run("ps ax"), /xenconsoled.*--log=guest/)
})

test("the second up does nothing, and refresh finds no drift", async t => {
  t.timeout(restart)
  const before = await bootId()
  t.regex((await stack.succeed(up)).stdout, /7 unchanged/)
  await stack.succeed(["refresh", "--yes", "--skip-preview", "--expect-no-changes"])
  t.is(await bootId(), before)
})

test("other memory for dom0 restarts the machine once more, and nothing else changes", async t => {
  t.timeout(2 * restart)
  await want({ memory: 768 })
  const boots = () =>
    machine.run("journalctl --list-boots --no-pager 2>/dev/null | wc -l; last -x reboot | wc -l")
  const before = await bootId()
  t.regex((await stack.succeed(["preview"])).stdout, /would restart with other options for Xen and dom0/)
  t.is(await bootId(), before)
  t.log(await boots())
  const { stdout } = await stack.succeed(up)
  t.regex(stdout, /~ 1 updated/)
  t.regex(await machine.run("xl list"), /Domain-0\s+0\s+768/)
  t.not(await bootId(), before)
})

test("destroy gives the machine back as it was: plain Debian on its old network", async t => {
  t.timeout(2 * restart)
  await stack.succeed(["destroy", "--yes", "--skip-preview"])
  t.is(await machine.run(PLAIN), bare)
  await machine.reboot()
  t.is(await machine.run(PLAIN), bare)
})
