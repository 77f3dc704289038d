import test, { type ExecutionContext } from "ava"
import { type Blow, type Known, runAgain, runStruck, type Wish } from "./interrupted.ts"
import { Site } from "./site.ts"
import { Watch } from "./watch.ts"

/**
 * Every remote operation of a run is a boundary. At each the run is broken off, in every way; then the next run, undisturbed,
 * must come to the same end as if nothing had happened. A round ends with the first run that is over before its turn.
 */
async function everyBoundary(
  t: ExecutionContext,
  site: Site,
  { does, blow, least }: { does: string; blow: Blow; least: number },
  round: (story: string, at: number) => Promise<boolean>,
): Promise<void> {
  let at = 1
  for (let more = true; more; at++) {
    const story = `${does}: ${blow.says} operation ${at}`
    site.host.xl.lines.length = 0
    more = await round(story, at).catch(async (error: unknown) => {
      t.log(await site.picture())
      throw new Error(`${story}: ${error instanceof Error ? error.message : error}`, { cause: error })
    })
  }
  at--
  t.log(`${at - 1} boundaries`)
  t.true(at > least, `${does} has at least ${least} operations`)
}

/** The tests of one way to break a run off, at each of its remote operations. */
export function testBoundaries(blow: Blow): void {
  test(`create and delete: ${blow.says} each remote operation, and the next run comes to the same end`, async t => {
    t.timeout(900_000)
    await using site = await Site.start()
    await everyBoundary(t, site, { does: "create", blow, least: 5 }, async (story, at) => {
      // A kernel that nobody else uses goes with its domain.
      const wanted = site.given("v1")
      const { struck, known } = await runStruck(site, undefined, wanted, blow, at)
      const made = await runAgain(site, known, wanted)
      await site.assertServes(t, "v1", story)
      await runAgain(site, made, "delete")
      return struck
    })
    await everyBoundary(t, site, { does: "delete", blow, least: 2 }, async (story, at) => {
      const made = await runAgain(site, undefined, site.given("v1"))
      const { struck, known } = await runStruck(site, made, "delete", blow, at)
      await runAgain(site, known, "delete")
      await site.assertGone(t, story)
      return struck
    })
  })

  test(`update by swap: ${blow.says} each remote operation, the address answers all the time, and the next run comes to the same end`, async t => {
    t.timeout(900_000)
    await using site = await Site.start()
    let known = await runAgain(site, undefined, site.given("v0"))
    await using watch = new Watch(site)
    await everyBoundary(t, site, { does: "swap", blow, least: 10 }, async (story, at) => {
      const [old, version] = [`v${at - 1}`, `v${at}`]
      watch.begin()
      const run = await runStruck(site, known, site.given(version), blow, at)
      known = await runAgain(site, run.known, site.given(version))
      await site.assertServes(t, version, story)
      // Who loses the connection in the time of probation, and gets another, gives the address back before the run ends.
      await watch.check(t, [old, version], { straight: blow.how === "kill" }, story)
      return run.struck
    })
  })

  const rounds: [does: string, least: number, given: (site: Site, version: string) => Wish][] = [
    ["update by recreate", 6, (site, version) => site.given(version, { strategy: "recreate" })],
    ["update of what xl changes live", 2, live],
  ]
  for (const [does, least, given] of rounds) {
    test(`${does}: ${blow.says} each remote operation, and the next run comes to the same end`, async t => {
      t.timeout(900_000)
      await using site = await Site.start()
      let known: Known = await runAgain(site, undefined, given(site, "v0"))
      const { id } = site.www!
      await everyBoundary(t, site, { does, blow, least }, async (story, at) => {
        const wanted = given(site, `v${at}`)
        const run = await runStruck(site, known, wanted, blow, at)
        known = await runAgain(site, run.known, wanted)
        await site.assertServes(t, given === live ? "live" : `v${at}`, story)
        if (given === live) {
          t.is(site.www?.id, id, `${story}: the same domain runs on`)
          t.is(site.www?.memory, at % 2 ? 48 : 40, story)
        }
        return run.struck
      })
    })
  }
}

function live(site: Site, version: string): Wish {
  const odd = Number(version.slice(1)) % 2
  return { ...site.given("live"), memory: odd ? 48 : 40, maxmem: 64, vcpus: odd ? 2 : 1, maxvcpus: 2 }
}
