import anyTest, { type TestFn } from "ava"
import { bareMachine, type TestMachine } from "../helpers/lab.ts"
import { PulumiStack } from "../helpers/pulumiStack.ts"
import { eventually, upUntil } from "./helpers/midway.ts"

// One machine is broken in every way, one after the other: that each time it comes back is what makes that possible.
const test = anyTest.serial as TestFn
let machine: TestMachine
let stack: PulumiStack
let bare: string

const up = ["up", "--yes", "--skip-preview"]
const restart = 15 * 60_000

/** The machine's old setting: its kernel without Xen, and its network. */
const OLD = `
uname -r
cat /sys/hypervisor/type 2>/dev/null || :
cat /etc/network/interfaces
ls /etc/network/interfaces.d
ip -4 -o addr show scope global | awk '{print $2, $4}'
ip -4 route show default | sed 's/ metric.*//; s/ proto [^ ]*//; s/ src [^ ]*//'
`
const runsXen = () => machine.run("cat /sys/hypervisor/type 2>/dev/null || echo none")

/** Seconds: a network that fails is to fail soon; a good one is given what software emulation takes. */
const want = ({ dom0 = {}, ...more }: { dom0?: object; [name: string]: unknown } = {}) =>
  stack.configure({
    hosts: { www1: { ...machine.host, memory: 1024, window: 240, dom0: { window: 1500, ...dom0 }, ...more } },
  })

async function fails(): Promise<string> {
  const { exit, stdout, stderr } = await stack.run(up)
  if (exit === 0) throw new Error(`it did not fail:\n${stdout}`)
  return stdout + stderr
}

test.before(async t => {
  t.timeout(restart)
  machine = await bareMachine("debian")
  bare = await machine.run(OLD)
  stack = await PulumiStack.create("xenHost")
})
test.after.always(async () => {
  await machine?.[Symbol.asyncDispose]()
  await stack?.remove()
})

test("the power fails and pulumi is killed in the middle of the installation: the machine is what it was", async t => {
  t.timeout(2 * restart)
  await want()
  const running = await upUntil(stack, /installing 1\d of/)
  await machine.powerCut()
  await running.killAll()
  await machine.boot()
  t.is(await machine.run(OLD), bare)
})

const NETWORKS: [what: string, more: object, arrange: string][] = [
  [
    "a port that leads nowhere",
    { uplink: "nowhere", addressing: { ipv4: { automatic: true } } },
    "ip link add nowhere type dummy",
  ],
  ["no address", { addressing: "none" }, ""],
  [
    "a gateway that is none",
    // As many hosters have it: what is not the gateway's is not on the wire.
    { addressing: { ipv4: { addresses: ["10.0.2.15/32"], gateway: "10.0.2.99" } } },
    "",
  ],
]
for (const [what, more, arrange] of NETWORKS) {
  test(`a bridge with ${what}: the host takes it back, and answers on its old network`, async t => {
    t.timeout(2 * restart)
    await machine.run(arrange)
    await want({ ...more, window: 45 })
    const said = await fails()
    t.regex(said, /The host has taken the change back and is on its old setting/)
    t.is(await machine.run(OLD), bare)
    t.is(await machine.run("dpkg --audit"), "", "and what the power cut left of the installation is mended")
  })
}

test("the power fails while the bridge is on trial: the host comes up on its old network", async t => {
  t.timeout(2 * restart)
  await want()
  const running = await upUntil(stack, /waiting for the (change to be made|host to be as wanted)/)
  await machine.powerCut()
  await running.killAll()
  await machine.boot()
  t.is(await machine.run(OLD), bare)
})

/** Takes a module from Xen's entry as soon as it is chosen: an initrd that was never written. */
const TAKE_MODULE = `
cat >/usr/local/sbin/grub-reboot <<'END'
#!/bin/sh
/usr/sbin/grub-reboot "$@" && sed -i '/^menuentry .*--class xen/,/^}/ s|/boot/initrd|/boot/missing|' /boot/grub/grub.cfg
END
chmod +x /usr/local/sbin/grub-reboot`

const BOOTS: [what: string, dom0: () => object, arrange: string, restore: string][] = [
  [
    "too little memory for dom0",
    () => ({ xenOptions: [...machine.host.xenOptions, "dom0_mem=16M,max:16M"] }),
    "",
    "",
  ],
  ["a root that is not there", () => ({ linuxOptions: ["root=/dev/nowhere", "rootdelay=5"] }), "", ""],
  ["a module missing", () => ({}), TAKE_MODULE, "rm /usr/local/sbin/grub-reboot"],
]
for (const [what, dom0, arrange, restore] of BOOTS) {
  test(`a Xen with ${what}: the machine comes back without it, by itself`, async t => {
    t.timeout(2 * restart)
    await machine.run(arrange)
    await want({ dom0: dom0() })
    const said = await fails()
    t.regex(said, /The host has taken the change back and is on its old setting/)
    t.is(await runsXen(), "none\n")
    t.regex(await machine.run("ip -4 route show default"), /dev xenbr0/, "the bridge was made, and stays")
    await machine.run(restore)
  })
}

test("the power fails while Xen boots on trial: the machine comes up without it", async t => {
  t.timeout(2 * restart)
  await want()
  const running = await upUntil(stack, /waiting for the machine to restart, [2-9]\d s/)
  await machine.powerCut()
  await running.killAll()
  await machine.boot()
  t.is(await runsXen(), "none\n")
})

test("the provider is killed while Xen boots on trial: nobody confirms, and the machine goes back by itself", async t => {
  t.timeout(3 * restart)
  await want({ dom0: { window: 60 } })
  const running = await upUntil(stack, /waiting for the machine to restart/)
  await running.killProvider()
  t.regex(await running.ended(), /error/)
  const state = () => machine.run("sed -n 's/^state=//p' /var/lib/pulumi-xen/guard/dom0/state")
  await eventually("the guard to take Xen back", 1200, async () => (await state()) === "reverted\n")
  await eventually("plain Linux to run again", 1200, async () => (await runsXen()) === "none\n")
  t.regex(await machine.run("cat /var/lib/pulumi-xen/guard/dom0/log"), /nobody confirmed in time/)
})

test("after all that, a run with the right input makes a Xen host of the machine", async t => {
  t.timeout(3 * restart)
  await want()
  const { stdout } = await stack.succeed(up)
  t.log(stdout.split("\n").slice(-30).join("\n"))
  t.regex(await machine.run("cat /proc/xen/capabilities"), /control_d/)
  t.regex(await machine.run("xl list"), /Domain-0\s+0\s+1024/)
  t.regex(await machine.run("ip -4 route show default"), /dev xenbr0/)
  await stack.succeed(["refresh", "--yes", "--skip-preview", "--expect-no-changes"])
})
