import test from "ava"
import { refuseInUse } from "../../provider/host/network/inUse.ts"
import type { BridgeWanted } from "../../provider/host/network/wanted.ts"
import { GATEWAY4, Host } from "../swap/support/wire.ts"
import { hostFacts } from "./helpers/facts.ts"

/** On networks behind the gateway somebody has it; on the VLAN nobody does yet. */
const ADDRESS = "198.51.100.7"
let host: Host

test.before(async () => {
  host = await Host.start()
  await host.gateway.ip("addr", "add", `${ADDRESS}/32`, "dev", "lo")
  await host.sh(`ip route add default via ${GATEWAY4}`)
})
test.after.always(() => host?.[Symbol.asyncDispose]())

async function refusals(more: Partial<BridgeWanted>, existing: readonly string[] = []): Promise<string[]> {
  const facts = hostFacts()
  const links = [
    ...facts.network.links,
    ...existing.map(name => ({ ...facts.network.links[1]!, name, addresses: [] })),
  ]
  const wanted = { name: "xenbr7", uplink: "eth0", extraAddresses: [`${ADDRESS}/24`], ...more }
  const seen = { ...facts, network: { ...facts.network, links } }
  const found = await refuseInUse(host.connection, seen, wanted, new AbortController().signal)
  return found.map(({ code }) => code)
}

test.serial(
  "an address that answers is somebody's, wherever it is on the way that the host's routes lead",
  async t => {
    t.deepEqual(await refusals({}), ["address-in-use"])
  },
)

test.serial(
  "an address on a VLAN that is to be made is nobody's, whoever answers at it on other networks",
  async t => {
    t.deepEqual(await refusals({ vlan: 7 }), [])
  },
)

test.serial("on a VLAN that is there it is asked for there, and nowhere else", async t => {
  const other = await host.plug("o7", "02:00:00:00:00:0a", ["198.51.100.9/24"], "")
  await host.sh(`ip link add xenbr7 type bridge; ip link set xenbr7 up; ip link set ${other.port} master xenbr7
    ip addr add 198.51.100.2/32 dev xenbr7`)
  t.deepEqual(await refusals({ vlan: 7 }, ["xenbr7"]), [])
  await other.ip("addr", "add", `${ADDRESS}/24`, "dev", "eth0")
  t.deepEqual(await refusals({ vlan: 7 }, ["xenbr7"]), ["address-in-use"])
})
