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
/** Seconds: a network that fails is to fail soon; a good one is given what software emulation takes. */
const want = (more: object = {}) =>
  stack.configure({
    hosts: { www1: { ...machine.host, memory: 1024, window: 240, dom0: { window: 1500 }, ...more } },
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

test("the provider is killed while the bridge is on trial: the host goes back by itself", async t => {
  t.timeout(2 * restart)
  await want({ window: 45 })
  const running = await upUntil(stack, /waiting for the (change to be made|host to be as wanted)/)
  await running.killProvider()
  t.regex(await running.ended(), /error/)
  await eventually("the old network to be back", 300, async () => (await machine.run(OLD)) === bare)
  t.regex(await machine.run("cat /var/lib/pulumi-xen/guard/network/log"), /nobody confirmed in time/)
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
