import anyTest, { type TestFn } from "ava"
import { bareMachine, TURN } from "../../helpers/lab.ts"
import { BREAKS, OLD } from "../helpers/breaks.ts"
import { eventually, upUntil } from "../helpers/midway.ts"
import { Rented, restarts } from "../helpers/rented.ts"

// One machine is broken in every way, one after the other: that each time it comes back is what makes that possible.
const test = anyTest.serial as TestFn
let www1: Rented
let old: string

test.before(async t => {
  t.timeout(TURN)
  www1 = await Rented.create(await bareMachine("debian"))
  old = await www1.run(OLD)
})
test.after.always(() => www1?.[Symbol.asyncDispose]())

/** What a killed run has begun on the host may go on there, and even end: then the next has little to do. */
const BEGUN = /Packages www1 .* (Mend|Install) /
const ENDED = /Packages www1 (cre|upd)ated/
const UNTIL = [/: unpacking xen/, BEGUN, new RegExp(`${BEGUN.source}|${ENDED.source}`)]
/** What pulumi had said at each strike. */
const said: string[] = []
for (const [index, [what, strike]] of BREAKS.entries()) {
  test(`${what} while packages are installed: the machine is what it was`, async t => {
    t.timeout(restarts(1))
    await www1.want({ window: 60 })
    const running = await upUntil(www1.stack, UNTIL[index]!)
    said.push(running.said)
    await strike(www1, running)
    // The bridge comes next, and may have been begun.
    await eventually("the old setting to be back", 300, async () => (await www1.run(OLD)) === old)
    t.is(await www1.run(OLD), old)
  })
}

test("the run after the power cut has mended what that left, and was struck before its packages were done", t => {
  t.regex(said[1]!, / Mend /)
  t.notRegex(said[1]!, ENDED)
})

test("the next run mends and installs what is missing; where restarts are refused, it says so before Xen is touched", async t => {
  t.timeout(restarts(1))
  await www1.want({ dom0: { reboot: "refuse" } })
  t.regex(await www1.fails(), /The machine would have to restart .*, and restarts are refused/)
  const seen = await www1.run(`
    dpkg --audit; dpkg-query -W -f '\${Package}: \${db:Status-Status}\n' xen-system-amd64
    ip -4 route show default; cat /sys/hypervisor/type 2>/dev/null || :`)
  t.regex(seen, /^xen-system-amd64: installed\ndefault .*dev xenbr0/)
  t.notRegex(seen, /^xen$/m)
})
