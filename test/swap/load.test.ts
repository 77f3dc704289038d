import test from "ava"
import {
  checkHealth,
  observeFlows,
  settled,
  stage,
  stagingBridge,
  switchPorts,
  unstage,
} from "../../provider/host/swap/index.ts"
import type { Outcome } from "./support/client.ts"
import { eventually, type Generation, generation } from "./support/domain.ts"
import { ADDRESS4, ADDRESS6, BRIDGE, GATEWAY4, GATEWAY6, Host, type Program } from "./support/wire.ts"

const SWAPS = 100
const REQUESTS = 100_000
/** Seconds. */
const DRAIN = 1
const UUID = "6d1c1f8e-0000-4000-8000-000000000007"
const name = "www"
const place = { domain: name, uuid: UUID, addresses: [ADDRESS4, ADDRESS6], consoleLog: "/dev/null" }
const addressing = { addresses: [ADDRESS4, ADDRESS6], gateways: [GATEWAY4, GATEWAY6] }

/** The next generation, started and found healthy apart from the one that serves: a domain that had ended, born again. */
async function staged(host: Host, domain: Generation, number: number): Promise<Generation> {
  const { namespace, bridge } = await stage(host.connection, { domain: name, bridge: BRIDGE, addressing })
  await domain.station.ip("neigh", "flush", "all")
  await domain.server.ask(String(number))
  await host.sh(`ip link set ${domain.station.port} master ${bridge}`)
  await checkHealth(host.connection, { http: { body: `^${number}$` }, settle: 0 }, { ...place, namespace })
  return domain
}

test(`in ${SWAPS} swaps under load not one of ${REQUESTS} requests is lost, over IPv4 and IPv6, from the uplink, from \
another guest and from dom0; kept connections are kept to the end of the drain`, async t => {
  await using host = await Host.start()
  await host.xl(`www 7 32 1 -b---- 1.0 ${UUID} - -`)
  let serving = await generation(host, "1", BRIDGE)
  const places = [host.gateway, host.neighbour, host.dom0]
  const start = (...words: string[]) =>
    places.flatMap(from => [ADDRESS4, ADDRESS6].map(address => from.node("client.ts", address, ...words)))
  const clients = start("4")
  const keepers = start("50", "keep")
  const all = [...clients, ...keepers]
  for (const client of all) await client.hears()

  let next = await staged(host, await generation(host, "2"), 2)
  for (let swap = 1; swap <= SWAPS; swap++) {
    await host.connection.run(observeFlows(name, [serving.port]))
    const how = {
      domain: name,
      from: [serving.port],
      to: [next.port],
      drain: DRAIN,
      commit: "date +%s%3N >>/run/switches",
    }
    t.deepEqual(await switchPorts(host.connection, how), { way: "drained" })
    await settled(host.connection, name)
    t.deepEqual(await host.ports(), [...host.others, next.port.vif].sort(), "never two")
    const old = serving
    serving = next
    if (swap < SWAPS) next = await staged(host, old, swap + 2)
  }
  await unstage(host.connection, name)
  t.is(await host.sh("nft list ruleset; ip netns list"), "")
  t.is(await host.sh(`ls -d /sys/class/net/${stagingBridge(name)} 2>/dev/null || echo gone`), "gone\n")

  const count = async (programs: Program[]) =>
    (await Promise.all(programs.map(program => program.ask("count")))).reduce((sum, n) => sum + Number(n), 0)
  t.true(await eventually(async () => (await count(clients)) >= REQUESTS, 300))
  const outcomes: Outcome[] = []
  for (const client of all) outcomes.push(JSON.parse(await client.ask("end")))
  t.deepEqual(
    outcomes.flatMap(({ failed }) => failed),
    [],
  )
  // What answers during a drain is the old one or the new one, and never one that was there before.
  t.true(Math.max(...outcomes.map(({ back }) => back)) <= 1)
  const switches = (await host.sh("cat /run/switches")).trim().split("\n").map(Number)
  t.is(switches.length, SWAPS)
  const broken = outcomes.flatMap(({ broken }) => broken)
  t.true(broken.length >= SWAPS, `${broken.length} kept connections have met the end of a drain`)
  for (const { from, to } of broken) {
    const switched = switches.find(at => at > from) ?? Number.POSITIVE_INFINITY
    t.true(
      to >= switched + DRAIN * 1000,
      `a connection of ${from} broke at ${to}, the switch was at ${switched}`,
    )
  }
  t.log(
    `${outcomes.reduce((sum, { requests }) => sum + requests, 0)} requests, the slowest ` +
      `${Math.max(...outcomes.slice(0, clients.length).map(({ slowest }) => Math.round(slowest)))} ms`,
  )
})
