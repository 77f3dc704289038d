import test from "ava"
import type { Made } from "../helpers/provider.ts"
import { RealXen, urn } from "./support/realXen.ts"

let xen: RealXen

test.before(async t => {
  t.timeout(1_500_000)
  xen = await RealXen.start()
})
test.after.always(() => xen?.[Symbol.asyncDispose]())
test.beforeEach(t => t.timeout(1_200_000))

test.serial(
  "on real Xen a domain is created, checked before it has its address, and a second run has nothing to do",
  async t => {
    const given = await xen.given("0")
    let state: Made = await xen.provider.create(urn, given)
    t.like(state.outputs, { name: "www", state: "running", strategy: "create", drift: [] })
    t.is(await xen.version(), "0")
    const uuid = await xen.uuid()
    t.is((await xen.provider.client.diff(urn, state.id, state, state.inputs)).changes, "none")
    state = await xen.provider.update(urn, state, given)
    t.is(state.outputs.strategy, "none")
    t.is(await xen.uuid(), uuid)
    t.deepEqual((await xen.refresh(state)).outputs, state.outputs)
    t.deepEqual(await xen.network(), { ports: 1, leftOvers: "" })
  },
)
