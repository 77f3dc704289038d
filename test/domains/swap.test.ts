import test from "ava"
import { TURN } from "../helpers/lab.ts"
import { RealXen, urn } from "./support/realXen.ts"

let xen: RealXen

test.before(async t => {
  t.timeout(TURN)
  xen = await RealXen.start()
})
test.after.always(() => xen?.[Symbol.asyncDispose]())
test.beforeEach(t => t.timeout(1_200_000))

test.serial(
  "on real Xen a domain is created, checked before it has its address, and a second run has nothing to do",
  async t => {
    const given = await xen.given("0")
    const { id, inputs, outputs } = await xen.deploy(given)
    t.like(outputs, { name: "www", state: "running", strategy: "create", drift: [] })
    t.is(await xen.version(), "0")
    const uuid = await xen.uuid()
    t.is((await xen.provider.client.diff(urn, id, xen.state, inputs)).changes, "none")
    t.is((await xen.deploy(given)).outputs.strategy, "none")
    t.is(await xen.uuid(), uuid)
    t.deepEqual((await xen.refresh()).outputs, xen.state.outputs)
    t.deepEqual(await xen.network(), { ports: 1, leftOvers: "" })
  },
)

test.serial(
  "ten swaps under load, the last to another kernel: of at least 2,000 requests from outside none fails",
  async t => {
    const { macs } = xen.state.outputs
    const load = xen.requests(2000)
    for (let version = 1; version <= 10; version++) {
      const more = version === 10 ? { kernel: await xen.kernel("2.0.0") } : {}
      const { outputs } = await xen.deploy(await xen.given(String(version), more))
      t.like(outputs, { strategy: "swap", macs })
      t.is(await xen.version(), String(version))
    }
    const { failed, count, slowest } = await load.stop()
    t.log(`${count} requests, the slowest ${Math.round(slowest)} ms`)
    t.deepEqual(failed, [])
    t.deepEqual(await xen.domains(), ["www"])
    t.deepEqual(await xen.network(), { ports: 1, leftOvers: "" })
  },
)

test.serial("a unikernel that restarts by itself comes back with its name, on its own bridge", async t => {
  const version = await xen.version()
  await xen.machine.run("xl reboot -F -w www")
  t.true(await xen.serves(version))
  t.deepEqual(await xen.domains(), ["www"])
  t.is((await xen.network()).ports, 1)
})

test.serial("after a restart of the host the domain is back by itself", async t => {
  const version = await xen.version()
  await xen.machine.reboot()
  t.true(await xen.serves(version))
  t.deepEqual(await xen.domains(), ["www"])
})
