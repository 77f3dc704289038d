import anyTest, { type TestFn } from "ava"
import { installedMachine, TURN } from "../../helpers/lab.ts"
import { BREAKS, GIVE_MODULE, OLD, TAKE_MODULE, UNCONFIRMED } from "../helpers/breaks.ts"
import { wasInTime } from "../helpers/guardLog.ts"
import { eventually, upUntil } from "../helpers/midway.ts"
import { PATIENT, Rented, restarts, type Wish } from "../helpers/rented.ts"

// One machine is broken in every way, one after the other: that each time it comes back is what makes that possible.
const test = anyTest.serial as TestFn
let www1: Rented
let old: string

/** The old setting with what boots next, and with which options. */
const SETTING = `${OLD}
cat /etc/default/grub.d/*
md5sum /boot/grub/grub.cfg
grub-editenv list | grep -v '^saved_entry=' || :`

test.before(async t => {
  t.timeout(TURN)
  www1 = await Rented.create(await installedMachine())
})
test.after.always(() => www1?.[Symbol.asyncDispose]())

test("where restarts are refused, the bridge is made, and Xen is refused before anything is changed", async t => {
  t.timeout(restarts(1))
  await www1.want({ dom0: { reboot: "refuse" } })
  t.regex(await www1.fails(), /The machine would have to restart .*, and restarts are refused/)
  old = await www1.run(SETTING)
  t.regex(old, /default .*dev xenbr0/)
})

const XENS: [what: string, more: () => Wish, arrange: string, restore: string][] = [
  [
    "too little memory for dom0",
    () => ({ xenOptions: [...www1.host.xenOptions, "dom0_mem=16M,max:16M"] }),
    "",
    "",
  ],
  ["a module missing", () => ({}), TAKE_MODULE, GIVE_MODULE],
  ["a root that is not there", () => ({ dom0: { linuxOptions: ["root=/dev/nowhere"] } }), "", ""],
]
for (const [what, more, arrange, restore] of XENS) {
  test(`a Xen with ${what}: the machine comes back without it, by itself, and the user is told`, async t => {
    t.timeout(restarts(2))
    await www1.run(arrange)
    await www1.want(more())
    t.regex(await www1.fails(), /The host has taken the change back and is on its old setting/)
    await www1.run(restore)
    t.is(await www1.run(SETTING), old)
  })
}

/** GRUB loads Xen: from here on its one-shot entry is used up. */
async function untilXenIsLoaded(begin: number): Promise<void> {
  await eventually("GRUB to load Xen", 600, async () =>
    /Loading Xen/.test((await www1.machine.console()).slice(begin)),
  )
}

/**
 * Where it is broken off: Xen begins to boot, or its menu is being written. And the seconds after which the host takes it
 * back, if it does not do that when it starts; the menu has to be written within them.
 */
const TRIALS: [until: RegExp, loaded: boolean, window: number][] = [
  [/Dom0 www1 .* waiting for the machine to restart/, true, PATIENT.dom0],
  [/Dom0 www1 .* waiting for the machine to restart/, true, 180],
  [/Dom0 www1 .* waiting for the (change to be made, \d\d|machine)/, false, 60],
]
for (const [index, [what, strike]] of BREAKS.entries()) {
  test(`${what} while Xen is on trial: the machine goes back to plain Linux by itself, within the window`, async t => {
    t.timeout(restarts(2))
    const [until, loaded, window] = TRIALS[index]!
    await www1.want({ dom0: { window } })
    const { length } = await www1.machine.console()
    const running = await upUntil(www1.stack, until)
    if (loaded) await untilXenIsLoaded(length)
    await strike(www1, running)
    await eventually("the old setting to be back", 1200, async () => (await www1.run(SETTING)) === old)
    t.regex(await www1.run("cat /var/lib/pulumi-xen/guard/dom0/log"), UNCONFIRMED)
    await wasInTime(t, www1, "dom0", window)
  })
}

test("after all that, a run with the right input makes a Xen host of the machine", async t => {
  t.timeout(restarts(2))
  await www1.want()
  t.log((await www1.up()).split("\n").slice(-30).join("\n"))
  const seen = await www1.run("cat /proc/xen/capabilities; xl list; ip -4 route show default")
  t.regex(seen, /control_d.*Domain-0\s+0\s+1024.*dev xenbr0/s)
  await www1.stack.succeed(["refresh", "--yes", "--skip-preview", "--expect-no-changes"])
})
