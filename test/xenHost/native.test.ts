import anyTest, { type ExecutionContext, type TestFn } from "ava"
import { NativeMachine } from "../helpers/nativeMachine/machine.ts"
import { BREAKS } from "./helpers/breaks.ts"
import type { Midway } from "./helpers/midway.ts"
import { PLAIN } from "./helpers/plain.ts"
import { keepsPromise, toMemory, toPlain, toXen, type Way } from "./helpers/promise.ts"
import { Rented } from "./helpers/rented.ts"
import { strikeAtEach } from "./helpers/strikes.ts"

// The whole way of a host without an emulated processor: minutes become seconds, so that it can be broken at every step.
// That a machine's own GRUB and Xen do the same is for the emulated ones to show.
const test = anyTest.serial as TestFn

/** Seconds in which a change must be confirmed: a DHCP client whose first question is lost asks again after twenty. */
const windows = { window: 45, dom0: { window: 40 } }

async function rent(t: ExecutionContext): Promise<Rented<NativeMachine>> {
  t.timeout(20 * 60_000)
  const www1 = await Rented.create(await NativeMachine.start())
  t.teardown(() => www1[Symbol.asyncDispose]())
  return www1
}

/** Xen runs as wanted, on a bridge, and boots again by itself. */
async function isXenHost(t: ExecutionContext, www1: Rented<NativeMachine>, memory: number): Promise<void> {
  t.regex(www1.machine.booted.xen ?? "plain Linux", new RegExp(`dom0_mem=${memory}M,max:${memory}M`))
  t.regex(await www1.run("ip -4 route show default"), /default .*dev xenbr0/)
  t.is(await www1.run("ls /sys/class/net/xenbr0/brif"), "eth0\n")
  t.regex(await www1.run("cat /boot/grub/grubenv"), /^saved_entry=.*xen/m)
  t.is(await www1.run("systemctl is-active pulumi-xen-guard-dom0.timer || :"), "inactive\n")
}

/** The machine is what it was, and stays that when it is switched off and on. */
async function isPlain(t: ExecutionContext, www1: Rented<NativeMachine>, bare: string): Promise<void> {
  t.is(await www1.run(PLAIN), bare)
  await www1.machine.powerCut()
  await www1.machine.boot()
  t.is(www1.machine.booted.xen, undefined)
  t.is(await www1.run(PLAIN), bare)
}

test("one up makes a Xen host of a bare machine with one restart, the second does nothing, other memory is one restart, and \
destroy one more, which gives the machine back", async t => {
  const www1 = await rent(t)
  const bare = await www1.run(PLAIN)
  await www1.want(windows)
  const made = await www1.bootsDuring(() => www1.up())
  t.regex(made.result, /\+ 5 created/)
  t.deepEqual(made.boots, ["Xen"])
  await isXenHost(t, www1, 1024)
  const boot = await www1.bootId()
  t.regex(await www1.up(), /5 unchanged/)
  await www1.stack.succeed(["refresh", "--yes", "--skip-preview", "--expect-no-changes"])
  t.is(await www1.bootId(), boot)
  await www1.want({ ...windows, memory: 768 })
  const updated = await www1.bootsDuring(() => www1.up())
  t.regex(updated.result, /~ 1 updated/)
  t.deepEqual(updated.boots, ["Xen"])
  await isXenHost(t, www1, 768)
  t.not(await www1.bootId(), boot)
  t.deepEqual((await www1.bootsDuring(() => www1.destroy())).boots, ["Linux"])
  await isPlain(t, www1, bare)
})

const REFUSED: readonly [what: string, wish: (gateway: string) => object, says: RegExp][] = [
  [
    "more memory than the machine has",
    () => ({ memory: 999_999 }),
    /dom0 is to have 999999 MiB, but the machine has \d+ MiB/,
  ],
  [
    "a restart against the policy",
    () => ({ dom0: { ...windows.dom0, reboot: "refuse" } }),
    /would have to restart .*and restarts are refused/,
  ],
  ["an uplink that is not there", () => ({ uplink: "eth7" }), /no interface eth7/],
  [
    "an address that another machine has",
    gateway => ({ extraAddresses: [`${gateway}/24`] }),
    /which another machine on its network has already/,
  ],
]

test("what a part of the host cannot be given is refused for all of it by the preview, before anything is changed", async t => {
  const www1 = await rent(t)
  const bare = await www1.run(PLAIN)
  const [, gateway] = /via (\S+)/.exec(await www1.run("ip -4 route show default"))!
  for (const [what, wish, says] of REFUSED) {
    await www1.want({ ...windows, ...wish(gateway!) })
    t.regex(await www1.fails(["up", "--yes"]), says, what)
  }
  t.is(await www1.run(PLAIN), bare)
  t.deepEqual(await www1.stack.resources(), [])
})

/** Cuts the network off wherever no Xen runs. */
const MUTE = `
cat >/etc/systemd/system/mute.service <<'END'
[Unit]
After=network.target ssh.service
[Service]
Type=oneshot
ExecStart=sh -c 'grep -qs xen /sys/hypervisor/type || ip link set eth0 down'
[Install]
WantedBy=multi-user.target
END
systemctl enable --quiet mute.service`

test("a plain Linux that does not answer is left again: the machine is back on its Xen, and leaves it when that is mended", async t => {
  const www1 = await rent(t)
  const bare = await www1.run(PLAIN)
  await www1.want(windows)
  await www1.up()
  await www1.run(MUTE)
  const boot = await www1.bootId()
  const refused = await www1.stack.run(["destroy", "--yes", "--skip-preview"])
  t.regex(
    refused.stdout,
    /Restart into plain Linux: .*The host has taken the change back and is on its old setting/s,
  )
  t.not(await www1.bootId(), boot)
  await isXenHost(t, www1, 1024)
  await www1.run("systemctl disable --quiet mute.service; rm /etc/systemd/system/mute.service")
  await www1.destroy()
  t.is(www1.machine.booted.xen, undefined)
  t.is(await www1.run(PLAIN), bare)
})

/** What `pulumi up` shows on the way, in its order. */
const STEPS: readonly string[] = [
  "fetching the lists of packages",
  'Keep ".*" the entry that boots',
  "Install xen-system-amd64",
  "Install xen-system-amd64.*unpacking",
  "Install xen-system-amd64.*installing",
  "Note whose the bridge xenbr0 is",
  "arming the guard: Make the bridge",
  "waiting for the change to be made",
  "waiting for the host to be as wanted",
  "Note whose the machine's Xen is",
  "Note how the machine was before",
  "Log the guests' consoles",
  "arming the guard: Restart into Xen",
  "Dom0.*waiting for the change to be made",
  "waiting for the restart to begin",
  "waiting for the machine to restart",
  "Dom0.*waiting for the host to be as wanted",
]

/** What the same shows where dom0 gets other memory. */
const MEMORY_STEPS: readonly string[] = [
  "arming the guard: Restart with other options",
  "waiting for the change to be made",
  "waiting for the restart to begin",
  "waiting for the machine to restart",
  "waiting for the host to be as wanted",
]

/** What `pulumi destroy` shows on the way. */
const DESTROY_STEPS: readonly string[] = [
  "arming the guard: Restart into plain Linux",
  "Dom0.*waiting for the change to be made",
  "waiting for the restart to begin",
  "waiting for the machine to restart",
  "Dom0.*waiting for the host to be as wanted",
  "Give GRUB and Xen's services their old configuration back",
  "arming the guard: Remove the bridge",
  "Bridge.*waiting for the change to be made",
  "Bridge.*waiting for the host to be as wanted",
  "Remove the packages that were added",
]

/** A strike, and then a look at the promise; but each fourth time the next run comes at once, and waits for the guard itself. */
const struckAnd =
  (t: ExecutionContext, www1: Rented<NativeMachine>, way: Way, steps: readonly string[], breaks = BREAKS) =>
  async (running: Midway, index: number): Promise<void> => {
    const [what, strike] = breaks[index % breaks.length]!
    await strike(www1, running)
    if (index % 4 < 3) await keepsPromise(t, www1, way, `${what} at "${steps[index]}"`)
  }

for (const one of BREAKS) {
  const [what] = one
  test(`${what} at every step on the way: the machine is on its old setting or a confirmed one, each next run goes on, and in \
the end the machine is as wanted`, async t => {
    const www1 = await rent(t)
    await www1.want(windows)
    const struck = await strikeAtEach(www1, STEPS, struckAnd(t, www1, toXen(1024), STEPS, [one]))
    t.log(`${struck.length} of ${STEPS.length} steps: ${struck.join("; ")}`)
    t.true(struck.length >= 10, `only at ${struck.join("; ")}`)
    await www1.up()
    await isXenHost(t, www1, 1024)
    t.regex(await www1.up(), /5 unchanged/)
  })
}

test("the provider's end, pulumi's and the power's in turn at every step to other memory and of destroy: the machine is on its \
old setting or a confirmed one, and the next run ends it", async t => {
  const www1 = await rent(t)
  const bare = await www1.run(PLAIN)
  await www1.want(windows)
  await www1.up()
  await www1.want({ ...windows, memory: 768 })
  const changing = await strikeAtEach(
    www1,
    MEMORY_STEPS,
    struckAnd(t, www1, toMemory(1024, 768), MEMORY_STEPS),
  )
  await www1.up()
  await isXenHost(t, www1, 768)

  const strike = struckAnd(t, www1, toPlain(768), DESTROY_STEPS)
  const leaving = await strikeAtEach(www1, DESTROY_STEPS, strike, "destroy")
  await www1.destroy()
  await isPlain(t, www1, bare)
  t.log([...changing, ...leaving].join("; "))
  t.true(changing.length >= 4 && leaving.length >= 7, [...changing, ...leaving].join("; "))
})
