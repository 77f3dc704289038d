import type { Connection } from "../../ssh/index.ts"
import type { HostFacts } from "../facts/types.ts"
import { type Refusal, refusal } from "../refusal.ts"
import { type BridgeWanted, NO_ADDRESSING } from "./wanted.ts"

/**
 * Asks for addresses in two ways: by ping, where the routes lead or on the link alone; and on the link by ARP or neighbour
 * discovery (`use` of ip-neighbour(8) has the kernel ask), for many a machine answers no ping. Prints `pong ADDRESS`,
 * `near ADDRESS` with what is known of the neighbour then, and `unasked ADDRESS` where neither could be done. What was
 * known before is forgotten first, as whoever had the address may be gone, and what was learnt is forgotten at the end.
 */
const ASK = `
link=$1 bound=$2 gateways=$3; shift 3
forget() { for one do ip neigh flush to "$one" \${link:+dev "$link"} 2>/dev/null; done; }
resolve() { [ "$link" ] && ip neigh replace "$1" dev "$link" nud none use 2>/dev/null; }
ping=$(command -v ping)
forget "$@"
for one in $gateways; do resolve "$one"; done
for one do resolve "$one" || [ "$ping" ] || echo "unasked $one"; done
if [ "$ping" ]; then
  for one do ping \${bound:+-I "$bound"} -c 1 -W 1 -n "$one" >/dev/null 2>&1 && echo "pong $one"; done
else
  sleep 2
fi
for one in $gateways "$@"; do ip neigh show to "$one" \${link:+dev "$link"} 2>/dev/null | sed "s/^/near $one /"; done
forget "$@"
:`

/**
 * Addresses that the bridge would be given and somebody has already: another link of this host, or another
 * machine that answers at it. An address that moves from the uplink to the bridge is nobody else's.
 *
 * @param leaving links of this host that will be gone by then
 */
export async function refuseInUse(
  connection: Connection,
  facts: HostFacts,
  wanted: BridgeWanted,
  signal: AbortSignal,
  leaving: readonly string[] = [],
): Promise<Refusal[]> {
  const { ipv4, ipv6 } = typeof wanted.addressing === "object" ? wanted.addressing : NO_ADDRESSING
  const asked = [...ipv4.addresses, ...ipv6.addresses, ...(wanted.extraAddresses ?? [])].map(bare)
  const owner = (address: string) =>
    facts.network.links.find(link => link.addresses.some(({ cidr }) => bare(cidr) === address))?.name
  const elsewhere = asked.filter(
    address => ![undefined, wanted.uplink, wanted.name, ...leaving].includes(owner(address)),
  )
  const unknown = asked.filter(address => owner(address) === undefined)
  const found = unknown.length > 0 ? await ask(connection, facts, wanted, unknown, signal) : NOTHING
  const refused = (address: string, where: string) =>
    refusal(
      "address-in-use",
      `${wanted.name} is to have ${address}, which ${where} has already.`,
      "Choose a free address, or take it away there first.",
    )
  return [
    ...elsewhere.map(address => refused(address, `${owner(address)} of this host`)),
    ...found.answering.map(address => refused(address, "another machine on its network")),
    ...found.unasked.map(address =>
      refusal(
        "address-unasked",
        `${wanted.name} is to have ${address}, and whether another machine has it could not be asked: there is no ping, and ip(8) is too old to ask the neighbours.`,
        "Install ping (in the package iputils-ping or iputils).",
      ),
    ),
  ]
}

interface Answers {
  readonly answering: readonly string[]
  readonly unasked: readonly string[]
}

const NOTHING: Answers = { answering: [], unasked: [] }

async function ask(
  connection: Connection,
  { network }: HostFacts,
  { name, uplink, vlan }: BridgeWanted,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<Answers> {
  const isMade = network.links.some(one => one.name === name)
  // A VLAN is reached through its own bridge alone: what answers on another way is on another network.
  if (vlan !== undefined && !isMade) return NOTHING
  const link = isMade ? name : (uplink ?? "")
  const gateways = [...new Set(network.routes.flatMap(({ gateway }) => gateway ?? []))]
  const bound = vlan === undefined ? "" : name
  const { stdout } = await connection.run(
    ["sh", "-c", ASK, "sh", link, bound, gateways.join(" "), ...addresses],
    { timeout: 120_000, signal },
  )
  const said = stdout.split("\n").map(line => line.split(" "))
  const who = (word: string) => said.filter(([first]) => first === word).map(([, address = ""]) => address)
  const ponging = who("pong")
  const neighbouring = neighbours(said, gateways)
  return {
    answering: addresses.filter(one => ponging.includes(one) || neighbouring.includes(one)),
    // Without an uplink there is nobody to ask.
    unasked: uplink === undefined ? [] : who("unasked"),
  }
}

/**
 * Who has answered: a neighbour with a link-layer address that nobody wrote down by hand. A router that answers for everybody
 * on its link, as many hosters' do between machines that shall not hear each other, has not said that an address is taken.
 */
function neighbours(said: readonly string[][], gateways: readonly string[]): string[] {
  const near = said
    .filter(([first, , ...words]) => first === "near" && words.includes("lladdr"))
    .map(([, address = "", ...words]) => ({
      address,
      mac: words[words.indexOf("lladdr") + 1],
      hasAnswered: !words.some(word => /^(PERMANENT|NOARP|FAILED|INCOMPLETE)$/.test(word)),
    }))
  const routers = near.filter(({ address }) => gateways.includes(address)).map(({ mac }) => mac)
  return near
    .filter(({ mac, hasAnswered }) => hasAnswered && !routers.includes(mac))
    .map(({ address }) => address)
}

const bare = (cidr: string): string => cidr.replace(/\/.*$/, "")
