import test from "ava"
import { refuseInUse } from "../../provider/host/network/inUse.ts"
import type { BridgeWanted } from "../../provider/host/network/wanted.ts"
import type { Connection } from "../../provider/ssh/index.ts"
import { BRIDGE, GATEWAY4, GATEWAY6, Host } from "../swap/support/wire.ts"
import { hostFacts } from "./helpers/facts.ts"
import { must } from "./helpers/run.ts"

/** On networks behind the gateway somebody has it; on the VLAN nobody does yet. */
const ADDRESS = "198.51.100.7"
let host: Host

test.before(async () => {
  host = await Host.start()
  await host.gateway.ip("addr", "add", `${ADDRESS}/32`, "dev", "lo")
  await host.sh(`ip route add default via ${GATEWAY4}`)
})
test.after.always(() => host?.[Symbol.asyncDispose]())

async function refusals(
  more: { readonly [Key in keyof BridgeWanted]?: BridgeWanted[Key] | undefined },
  existing: readonly string[] = [],
  connection: Connection = host.connection,
): Promise<string[]> {
  const facts = hostFacts()
  const links = [
    ...facts.network.links,
    ...existing.map(name => ({ ...facts.network.links[1]!, name, addresses: [] })),
  ]
  const wanted = {
    name: "xenbr7",
    uplink: "eth0",
    extraAddresses: [`${ADDRESS}/24`],
    ...more,
  } as BridgeWanted
  const routes = [GATEWAY4, GATEWAY6].map(gateway => ({ ...facts.network.routes[0]!, gateway }))
  const seen = { ...facts, network: { ...facts.network, links, routes } }
  const found = await refuseInUse(connection, seen, wanted, new AbortController().signal)
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

/** What a neighbour does that answers no ping; its namespace is nobody else's. */
const SILENT = "sysctl -qw net.ipv4.icmp_echo_ignore_all=1 net.ipv6.icmp.echo_ignore_all=1"
/** A router between machines that do not hear each other. */
const FOR_ALL =
  "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.eth0.proxy_arp_pvlan=1 net.ipv4.neigh.eth0.proxy_delay=0"
const within = (namespace: string, script: string) =>
  must(["ip", "netns", "exec", namespace, "sh", "-eu", "-c", script])

const SILENTLY: [what: string, address: string, code: string | undefined][] = [
  ["by ARP alone is in use", "192.0.2.9/24", "address-in-use"],
  ["by neighbour discovery alone is in use", "2001:db8::9/64", "address-in-use"],
  ["by neighbour discovery alone is in use, however it is written", "2001:DB8:0::9/64", "address-in-use"],
  ["by ARP alone, beyond the networks that the host has yet, is in use", "10.3.3.3/24", "address-in-use"],
  ["no more, though it did a moment ago, is free", "192.0.2.66/24", undefined],
  ["in no way is free", "192.0.2.77/24", undefined],
  ["in no way, of IPv6, is free", "2001:db8::77/64", undefined],
]
for (const [what, address, code] of SILENTLY)
  for (const ping of ["the ping of iputils", "no ping", "another ping"])
    test.serial(`an address that answers ${what}; the host has ${ping}`, async t => {
      await within(host.neighbour.namespace, `${SILENT}; ip addr replace 10.3.3.3/24 dev eth0`)
      await host.sh(`ip neigh replace 192.0.2.66 dev ${BRIDGE} lladdr 02:00:00:00:00:66 nud stale`)
      const connection = ping.endsWith("iputils") ? host.connection : await host.without("ping")
      // inetutils' knows no -I, and no -n of its own.
      if (ping === "another ping") await host.program(connection, "ping", "exit 64")
      const wanted = { uplink: BRIDGE, extraAddresses: [address] }
      t.deepEqual(await refusals(wanted, [], connection), code === undefined ? [] : [code])
      t.is(await host.sh(`ip neigh show to ${address.split("/")[0]}`), "", "nothing is left of the question")
    })

test.serial("a router that answers for everybody on its link has nobody's address", async t => {
  await within(host.gateway.namespace, FOR_ALL)
  await host.sh(`ip neigh replace 192.0.2.88 dev ${BRIDGE} nud none use; sleep 1
    ip neigh show to 192.0.2.88 | grep -q 'lladdr 02:00:00:00:00:01'`)
  const wanted = { uplink: BRIDGE, extraAddresses: ["192.0.2.77/24"] }
  t.deepEqual(await refusals(wanted), [])
  t.deepEqual(await refusals({ ...wanted, extraAddresses: ["192.0.2.9/24"] }), ["address-in-use"])
})

test.serial(
  "an address that nobody can be asked for does not count as free, but on an isolated bridge",
  async t => {
    const poor = await host.without("ping", "ip")
    await host.program(poor, "ip", "exit 255")
    t.deepEqual(await refusals({ uplink: BRIDGE }, [], poor), ["address-unasked"])
    await host.program(poor, "ping", "exit 64")
    t.deepEqual(await refusals({ uplink: BRIDGE }, [], poor), ["address-unasked"])
    t.deepEqual(await refusals({ uplink: undefined }, [], poor), [])
  },
)
