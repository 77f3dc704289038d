import anyTest, { type TestFn } from "ava"
import { BREAKS } from "./helpers/breaks.ts"
import { isXenHost, rent, struckAnd, windows } from "./helpers/native.ts"
import { toXen } from "./helpers/promise.ts"
import { strikeAtEach } from "./helpers/strikes.ts"

// The way from bare to Xen where it takes a minute (native.test.ts), broken off at every step.
const test = anyTest.serial as TestFn

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
