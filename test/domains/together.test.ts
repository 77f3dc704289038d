import test from "ava"
import type { Properties } from "../../provider/rpc/value.ts"
import { failureOf, ProviderUnderTest } from "../helpers/provider.ts"
import { runAgain } from "./support/interrupted.ts"
import { Site, urn } from "./support/site.ts"
import { Watch } from "./support/watch.ts"

const names = ["a", "b", "c", "d", "e", "f"]
const addressOf = (name: string) => `10.0.2.${30 + names.indexOf(name)}`
const urnOf = (name: string) => `urn:pulumi:s::p::xen:index:Domain::${name}`

/** The inputs of one of several domains of a host. */
function given(site: Site, name: string, version: string, more: Properties = {}): Properties {
  const address = addressOf(name)
  const args = [`--ipv4=${address}/24`, "--ipv4-gateway=10.0.2.2", `--version-text=${version}`]
  return site.given(`${name} ${version}`, { name, addresses: [`${address}/24`], arguments: args, ...more })
}

test("six domains of one host are made, swapped without a lost request, and taken away at the same time", async t => {
  t.timeout(600_000)
  await using site = await Site.start()
  const { provider } = site
  const all = <Result>(work: (name: string, at: number) => Promise<Result>) => Promise.all(names.map(work))
  const made = await all(name => provider.create(urnOf(name), given(site, name, "v1")))
  t.deepEqual(site.domains(), names)
  t.deepEqual(
    (await all(name => site.answer(addressOf(name)))).map(({ version }) => version),
    names.map(() => "v1"),
  )

  const watches = names.map(name => new Watch(site, addressOf(name)))
  const updated = await all((name, at) => provider.update(urnOf(name), made[at]!, given(site, name, "v2")))
  for (const watch of watches) {
    await watch[Symbol.asyncDispose]()
    await watch.check(t, ["v1", "v2"], { straight: true }, watch.address)
  }
  t.deepEqual(new Set(updated.map(({ outputs }) => outputs.strategy)), new Set(["swap"]))
  t.deepEqual(
    (await all(name => site.answer(addressOf(name)))).map(({ version }) => version),
    names.map(() => "v2"),
  )
  t.deepEqual(site.domains(), names)
  t.deepEqual(await site.leftOvers(), [])

  await all((name, at) => provider.client.delete(urnOf(name), updated[at]!.id, updated[at]!))
  t.deepEqual(site.domains(), [])
  t.deepEqual(await site.leftOvers(), [])
  t.deepEqual(
    names.flatMap(name => site.stored(name)),
    [],
  )
})

test("of domains that do not fit all, as many start at the same time as fit; the others are refused and leave nothing", async t => {
  t.timeout(600_000)
  // 500 MiB are left: room for three of 150.
  await using site = await Site.start({ memory: 1568, dom0Memory: 1024 })
  const tried = await Promise.allSettled(
    names.map(name => site.provider.create(urnOf(name), given(site, name, "v1", { memory: 150 }))),
  )
  const started = names.filter((_, at) => tried[at]!.status === "fulfilled")
  t.is(started.length, 3)
  t.deepEqual(site.domains(), started)
  for (const result of tried)
    if (result.status === "rejected")
      t.regex((await failureOf(Promise.reject(result.reason))).says, /MiB.* are free|Out of memory/s)
  t.deepEqual(await site.leftOvers(), [])
})

test("two runs that update one domain at the same time, past the lock of their state, get in each other's way; the next run makes it whole", async t => {
  t.timeout(600_000)
  await using site = await Site.start()
  await using other = await ProviderUnderTest.start()
  const made = (await runAgain(site, undefined, site.given("v1")))!
  const inputs = (version: string) => site.provider.check(urn, site.given(version))
  await Promise.allSettled([
    site.provider.client.update(urn, made.id, made, await inputs("v2")),
    other.client.update(urn, made.id, made, await inputs("v3")),
  ])
  const known = await runAgain(site, made, site.given("v4"))
  await site.assertServes(t, "v4", "the run after them")
  await runAgain(site, known, "delete")
  await site.assertGone(t, "in the end")
})
