import anyTest, { type ExecutionContext, type TestFn } from "ava"
import type { NativeMachine } from "../helpers/nativeMachine/machine.ts"
import { isXenHost, rent, struckAnd, windows } from "./helpers/native.ts"
import { PLAIN } from "./helpers/plain.ts"
import { toMemory, toPlain } from "./helpers/promise.ts"
import type { Rented } from "./helpers/rented.ts"
import { strikeAtEach } from "./helpers/strikes.ts"

// The whole way of a host without an emulated processor: minutes become seconds, so that it can be broken at every step.
// That a machine's own GRUB and Xen do the same is for the emulated ones to show.
const test = anyTest.serial as TestFn

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

/** What `pulumi up` shows on the way where dom0 gets other memory. */
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
