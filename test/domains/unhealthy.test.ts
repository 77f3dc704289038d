import { setTimeout as sleep } from "node:timers/promises"
import test, { type ExecutionContext } from "ava"
import type { Properties } from "../../provider/rpc/value.ts"
import { TURN } from "../helpers/lab.ts"
import { failureOf } from "../helpers/provider.ts"
import { RealXen, urn } from "./support/realXen.ts"

let xen: RealXen

test.before(async t => {
  t.timeout(TURN)
  xen = await RealXen.start()
  await xen.deploy(await xen.given("good"))
})
test.after.always(() => xen?.[Symbol.asyncDispose]())
test.beforeEach(t => t.timeout(1_200_000))

/**
 * Lets an update fail: what it leaves is what was there before.
 * @param sabotage a script for the host, and the status that it waits for
 * @returns what the update says
 */
async function refused(
  t: ExecutionContext,
  given: Properties,
  sabotage?: { when: RegExp; script: string },
): Promise<string> {
  const uuid = await xen.uuid()
  const { lines } = xen.provider.engine
  const before = lines.length
  let over = false
  const updating = failureOf(xen.provider.update(urn, xen.state, given)).finally(() => {
    over = true
  })
  if (sabotage) {
    while (!over && !lines.slice(before).some(({ message }) => sabotage.when.test(message))) await sleep(200)
    await xen.machine.run(sabotage.script)
  }
  const { says } = await updating
  t.is(await xen.version(), "good")
  t.is(await xen.uuid(), uuid)
  t.deepEqual(await xen.domains(), ["www"])
  t.deepEqual(await xen.network(), { ports: 1, leftOvers: "" })
  return says
}

const bad: [how: string, says: RegExp][] = [
  ["exit", /it is (gone|shut down) \(poweroff\).*fail: exit/s],
  ["crash", /it is (gone|crashed|shut down) \(crash\).*fail: crash/s],
  ["hang", /no answer.*fail: hang/s],
  ["mute", /no answer.*fail: mute/s],
]
for (const [how, says] of bad) {
  test.serial(
    `--fail=${how}: it never gets the address, the old one serves on, and the error shows its console`,
    async t => {
      const health = { http: { path: "/health" }, settle: 0, timeout: 15 }
      const load = xen.requests(80, 5000)
      t.regex(await refused(t, await xen.given("bad", { health }, `--fail=${how}`)), says)
      t.deepEqual((await load.stop()).failed, [])
    },
  )
}

test.serial("a version that fails in production within its probation is put back by itself", async t => {
  const given = await xen.given("dies", { probation: 120, drain: 5 })
  const says = await refused(t, given, { when: /on probation/, script: "xl pause www" })
  t.regex(says, /not healthy in production.*it is paused/s)
})

test.serial("recreate: a version that fails is replaced by the one before it", async t => {
  const given = await xen.given("bad", { strategy: "recreate" }, "--fail=exit")
  const { says } = await failureOf(xen.provider.update(urn, xen.state, given))
  t.regex(says, /fail: exit.*serves as before/s)
  t.true(await xen.serves("good"))
  t.deepEqual(await xen.domains(), ["www"])
})
