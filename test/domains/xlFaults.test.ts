import test, { type ExecutionContext } from "ava"
import type { Fault } from "../helpers/simulatedXen/xl.ts"
import { type Known, runAgain, tryRun } from "./support/interrupted.ts"
import { Site, urn } from "./support/site.ts"
import { Watch } from "./support/watch.ts"

const refusal: Fault = { exit: 1, stdout: "", stderr: "libxl: error: as the test has it\n" }

/** Calls of `xl` that change something; to look fails nowhere for long, and the next look is the next run's. */
const changes =
  /^(create|destroy|rename|shutdown|pause|unpause|mem-set|vcpu-set|network-attach|config-update)\b/

/**
 * Lets the nth changing call of a run go wrong, for every n, and then has the next run come to the same end. A round is over
 * with the first run that has no nth.
 */
async function everyCall(
  t: ExecutionContext,
  site: Site,
  { does, fault, least }: { does: string; fault: Fault; least: number },
  round: (story: string, at: number) => Promise<void>,
): Promise<void> {
  let [at, went] = [0, true]
  while (went) {
    const story = `${does}: change ${++at}`
    let count = 0
    went = false
    site.host.xl.fault = words => {
      if (!changes.test(words[0] ?? "") || ++count !== at) return undefined
      went = true
      return fault
    }
    await round(story, at).catch(async (error: unknown) => {
      t.log(await site.picture())
      throw new Error(`${story}: ${error instanceof Error ? error.message : error}`, { cause: error })
    })
  }
  t.true(at > least, `${does} calls xl at least ${least} times`)
}

const faults: [says: string, fault: Fault][] = [
  ["fails", refusal],
  ["is killed midway", "half"],
]

for (const [says, fault] of faults) {
  test(`swap: every xl that changes something ${says} once; the address answers all the time, and the next run comes to the same end`, async t => {
    t.timeout(600_000)
    await using site = await Site.start()
    let known = await runAgain(site, undefined, site.given("v0"))
    await using watch = new Watch(site)
    await everyCall(t, site, { does: "swap", fault, least: 3 }, async (story, at) => {
      watch.begin()
      known = await tryRun(site, known, site.given(`v${at}`))
      site.host.xl.fault = () => undefined
      known = await runAgain(site, known, site.given(`v${at}`))
      await site.assertServes(t, `v${at}`, story)
      await watch.check(t, [`v${at - 1}`, `v${at}`], { straight: false }, story)
    })
  })

  test(`create, recreate and delete: every xl that changes something ${says} once, and the next run comes to the same end`, async t => {
    t.timeout(600_000)
    await using site = await Site.start()
    await everyCall(t, site, { does: "create", fault, least: 2 }, async (story, at) => {
      const given = site.given(`v${at}`, { strategy: "recreate" })
      const made = await runAgain(site, await tryRun(site, undefined, given), given)
      await site.assertServes(t, `v${at}`, story)
      await tryRun(site, made, "delete")
      site.host.xl.fault = () => undefined
      await runAgain(site, made, "delete")
      await site.assertGone(t, story)
    })
    const given = (version: string) => site.given(version, { strategy: "recreate" })
    let known: Known = await runAgain(site, undefined, given("v0"))
    await everyCall(t, site, { does: "recreate", fault, least: 3 }, async (story, at) => {
      known = await runAgain(site, await tryRun(site, known, given(`v${at}`)), given(`v${at}`))
      await site.assertServes(t, `v${at}`, story)
    })
  })
}

test("an xl that hangs ends with the time that the program gives, and the next run comes to the same end", async t => {
  t.timeout(300_000)
  await using site = await Site.start()
  const made = (await runAgain(site, undefined, site.given("v1")))!
  site.host.xl.fault = ([verb]) => (verb === "create" ? "hangs" : undefined)
  const inputs = await site.provider.check(urn, site.given("v2"))
  const failed = await t.throwsAsync(site.provider.client.update(urn, made.id, made, inputs, { timeout: 3 }))
  t.regex(String(failed), /did not finish within 3 seconds/)
  t.is((await site.answer()).version, "v1", "what serves is not touched")
  site.host.xl.fault = () => undefined
  const known = await runAgain(site, made, site.given("v2"))
  await site.assertServes(t, "v2", "after the hanging")
  await runAgain(site, known, "delete")
  await site.assertGone(t, "in the end")
})
