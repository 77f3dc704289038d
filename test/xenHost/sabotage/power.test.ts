import anyTest, { type TestFn } from "ava"
import { installedMachine, TURN } from "../../helpers/lab.ts"
import { BREAKS } from "../helpers/breaks.ts"
import { eventually } from "../helpers/midway.ts"
import { keepsPromise, toXen } from "../helpers/promise.ts"
import { Rented, restarts } from "../helpers/rented.ts"
import { strikeAtEach } from "../helpers/strikes.ts"

// QEMU is killed, and what the machine had not flushed is lost: only a machine of its own shows what that leaves on a disk.
// While packages are unpacked, the bridge is on trial or GRUB loads Xen, the files beside this one cut the power.
const test = anyTest.serial as TestFn
let www1: Rented

/** Moments that pulumi has no words for are told on the console, and drawn out. */
const MARKS = `
cat >/usr/local/sbin/mark <<'END'
#!/bin/sh
for line in /dev/console /dev/hvc0; do [ ! -c $line ] || echo "mark: $*" >$line || :; done 2>/dev/null
sleep 5
END
cat >/etc/grub.d/99_mark <<'END'
#!/bin/sh
mark the menu is being written
END
cat >/usr/local/sbin/grub-reboot <<'END'
#!/bin/sh
/usr/sbin/grub-reboot "$@" && mark Xen is booted next
END
cat >/usr/local/sbin/dd <<'END'
#!/bin/sh
/usr/bin/dd "$@" || exit
case "$* $(cat /boot/grub/grubenv)" in *of=/boot/grub/grubenv*saved_entry=xen*) mark Xen is the default ;; esac
END
chmod +x /etc/grub.d/99_mark /usr/local/sbin/*
sync`
const NO_MARKS = "rm /etc/grub.d/99_mark /usr/local/sbin/*"

/** Where the power fails: at what pulumi says, and where a mark is named, when the console shows that. */
const CUTS: readonly (readonly [step: string, mark?: string])[] = [
  ["Note whose the bridge xenbr0 is"],
  ["arming the guard: Make the bridge"],
  ["Note how the machine was before"],
  ["Log the guests' consoles"],
  ["arming the guard: Restart into Xen"],
  ["Dom0.*waiting for the change to be made", "the menu is being written"],
  ["Dom0.*waiting for the change to be made", "Xen is booted next"],
  ["Dom0.*waiting for the (machine|host)", "Xen is the default"],
]

/** Seconds: the menu has to be written within them, and Xen to be confirmed after its boot. */
const HASTY = 150

test.before(async t => {
  t.timeout(TURN)
  www1 = await Rented.create(await installedMachine())
  await www1.run(MARKS)
})
test.after.always(() => www1?.[Symbol.asyncDispose]())

test("the power fails at every step of bridge and dom0: each time the machine answers, on its old setting or a confirmed one", async t => {
  t.timeout(restarts(CUTS.length))
  const [, powerFails] = BREAKS[0]!
  await www1.want({ dom0: { window: HASTY } })
  let begin = 0
  const steps = CUTS.map(([step]) => step)
  const struck = await strikeAtEach(www1, steps, async (running, at) => {
    const [step, mark] = CUTS[at]!
    const shows = async () => (await www1.machine.console()).slice(begin).includes(`mark: ${mark}`)
    if (mark) await eventually(`the console to show "${mark}"`, 900, shows)
    await powerFails(www1, running)
    await keepsPromise(t, www1, toXen(1024), `the power fails at "${mark ?? step}"`)
    begin = (await www1.machine.console()).length
    t.log(
      `${mark ?? step}: ${(await www1.run("tail -n 3 /var/lib/pulumi-xen/guard/*/log 2>&1 || :")).trim()}`,
    )
  })
  // What was written before a cut may have been flushed: then its step is not there again to be struck.
  t.true(struck.length >= steps.length - 2, struck.join("; "))
})

test("after all that, a run makes a Xen host of the machine with one restart; and the power fails once more, just then", async t => {
  t.timeout(restarts(3))
  await www1.run(NO_MARKS)
  await www1.want()
  const { boots, result } = await www1.bootsDuring(() => www1.up())
  t.log(result.split("\n").slice(-30).join("\n"))
  t.deepEqual(boots, ["Xen"])
  await www1.machine.powerCut()
  await www1.machine.boot()
  await keepsPromise(t, www1, toXen(1024), "the power fails just after the proof")
  await www1.stack.succeed(["refresh", "--yes", "--skip-preview", "--expect-no-changes"])
})
