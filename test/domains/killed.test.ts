import test, { type ExecutionContext } from "ava"
import type { Properties } from "../../provider/rpc/value.ts"
import { TURN } from "../helpers/lab.ts"
import { startProvider } from "../helpers/providerProcess.ts"
import { Gatekeeper, gate } from "./support/gatekeeper.ts"
import { ask, type Known, type Wish } from "./support/interrupted.ts"
import { RealXen } from "./support/realXen.ts"

let xen: RealXen
let gatekeeper: Gatekeeper
let known: Known
let kills = 0

test.before(async t => {
  t.timeout(TURN)
  xen = await RealXen.start(gate)
  gatekeeper = await Gatekeeper.start(xen)
})
test.after.always(async () => {
  await gatekeeper?.[Symbol.asyncDispose]()
  await xen?.[Symbol.asyncDispose]()
})
test.beforeEach(t => t.timeout(1_200_000))

/** When the provider is killed: before an operation, which is then not done; as it begins; or when it is done, and not told. */
type Moment = "before" | "during" | "after"

/** What an operation does, without what differs from run to run: scripts, digests, numbers. */
const kind = (command: string): string =>
  command
    .replace(/^.*? && exec /, "")
    .replaceAll(/'(?:[^']|'\\'')*'/g, "…")
    .replaceAll(/[0-9a-f]{8,}(?:-[0-9a-f]+)*/g, "#")
    .replaceAll(/\b\d+\b/g, "#")

/**
 * Has a wish carried out by run after run. Each is killed at the first operation at which none was killed before, of its kind
 * and at that moment; what the engine knows stays what it was. The one that finds nothing new comes to the end.
 */
async function killedEverywhere(t: ExecutionContext, wish: Wish, moments: readonly Moment[]): Promise<void> {
  const struck = new Set<string>()
  for (let over = false; !over; ) {
    const provider = await startProvider()
    const before = struck.size
    const strikes = (moment: Moment, command: string): boolean => {
      const at = `${moment} ${kind(command)}`
      if (struck.size > before || !moments.includes(moment) || struck.has(at)) return false
      struck.add(at)
      provider.child.kill("SIGKILL")
      return true
    }
    gatekeeper.strike = {
      before(command) {
        if (strikes("before", command)) return false
        strikes("during", command)
        return true
      },
      after(command) {
        strikes("after", command)
      },
    }
    const run = ask(provider.client, known, wish)
    const made = await run.catch(error => (struck.size > before ? undefined : Promise.reject(error)))
    await provider.stop("SIGKILL")
    over = struck.size === before
    if (over) known = made
  }
  kills += struck.size
  t.log(`${struck.size} kills`)
}

/** As it would be if nobody had been killed. */
async function assertServes(t: ExecutionContext, version: string): Promise<void> {
  t.is(await xen.version(), version)
  t.deepEqual(await xen.domains(), ["www"])
  t.deepEqual(await xen.network(), { ports: 1, leftOvers: "" })
  t.deepEqual(await torn(), [])
}

/** Files of the domain's folder that are none of its records. */
async function torn(): Promise<string[]> {
  const files = await xen.machine.run("ls -A /var/lib/pulumi-xen/domains/www 2>/dev/null || true")
  const record = /^(owner|history|current|busy|autostart|[0-9a-f]{12}\.(cfg|json))$/
  return files.split("\n").filter(file => file !== "" && !record.test(file))
}

const given = (version: string, more: Properties = {}) =>
  xen.given(version, { connection: gatekeeper.connection, ...more })

test.serial("create: killed at its operations, the next run goes on from there, to the same end", async t => {
  await killedEverywhere(t, await given("k0"), ["during"])
  await assertServes(t, "k0")
})

test.serial(
  "update by swap: killed before and after each of its operations, the next run goes on from there, and no request is lost",
  async t => {
    const load = xen.requests(80, 5000)
    await killedEverywhere(t, await given("k1"), ["before", "after"])
    t.deepEqual((await load.stop()).failed, [])
    await assertServes(t, "k1")
  },
)

test.serial("update by recreate: killed at its operations, the next run goes on from there", async t => {
  await killedEverywhere(t, await given("k2", { strategy: "recreate" }), ["during"])
  await assertServes(t, "k2")
})

test.serial(
  "delete: killed at its operations, the next run leaves nothing; that made thirty kills and more",
  async t => {
    await killedEverywhere(t, "delete", ["during"])
    t.deepEqual(await xen.domains(), [])
    t.deepEqual(await xen.network(), { ports: 0, leftOvers: "" })
    t.is((await xen.machine.run("ls -A /var/lib/pulumi-xen/domains")).trim(), "")
    t.true(kills >= 30, `${kills} kills`)
  },
)
