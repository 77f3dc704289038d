import anyTest, { type TestFn } from "ava"
import { installedMachine, TURN } from "../../helpers/lab.ts"
import { BREAKS, OLD, UNCONFIRMED } from "../helpers/breaks.ts"
import { wasInTime } from "../helpers/guardLog.ts"
import { eventually, upUntil } from "../helpers/midway.ts"
import { Rented, restarts, type Wish } from "../helpers/rented.ts"

// One machine is broken in every way, one after the other: that each time it comes back is what makes that possible.
const test = anyTest.serial as TestFn
let www1: Rented
let old: string

test.before(async t => {
  t.timeout(TURN)
  www1 = await Rented.create(await installedMachine())
  old = await www1.run(OLD)
})
test.after.always(() => www1?.[Symbol.asyncDispose]())

/** Seconds: where nobody can confirm a bridge it is to be given up soon. */
const HASTY = 40

const NETWORKS: [what: string, more: Wish, arrange: string][] = [
  [
    "a port that leads nowhere",
    { uplink: "nowhere", addressing: { ipv4: { automatic: true } } },
    "ip link add nowhere type dummy",
  ],
  ["no address", { addressing: "none" }, ""],
  [
    "a gateway that is none",
    // As many hosters have it: what is not the gateway's is not on the wire.
    { addressing: { ipv4: { addresses: ["10.0.2.15/32"], gateway: "10.0.2.99" } } },
    "",
  ],
]
for (const [what, more, arrange] of NETWORKS) {
  test(`a bridge with ${what}: the host takes it back within its window, and answers on its old network`, async t => {
    t.timeout(restarts(1))
    await www1.run(arrange)
    await www1.want({ window: HASTY, ...more })
    t.regex(await www1.fails(), /The host has taken the change back and is on its old setting/)
    t.is(await www1.run(OLD), old)
    await wasInTime(t, www1, "network", HASTY)
  })
}

/** The old network is down by then, or the bridge is there. */
const ON_TRIAL = /Bridge www1 .* waiting for the (change to be made, \d\d|host)/
for (const [what, strike] of BREAKS) {
  test(`${what} while the bridge is on trial: the host answers on its old network, within the window`, async t => {
    t.timeout(restarts(1))
    await www1.want({ window: HASTY })
    await strike(www1, await upUntil(www1.stack, ON_TRIAL))
    await eventually("the old network to be back", 300, async () => (await www1.run(OLD)) === old)
    t.regex(await www1.run("cat /var/lib/pulumi-xen/guard/network/log"), UNCONFIRMED)
    await wasInTime(t, www1, "network", HASTY)
  })
}

test("after all that, the right input makes the bridge", async t => {
  t.timeout(restarts(1))
  await www1.want({ dom0: { reboot: "refuse" } })
  t.regex(await www1.fails(), /restarts are refused/)
  t.regex(await www1.run("ip -4 route show default"), /dev xenbr0/)
})
