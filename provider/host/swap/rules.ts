import type { Handover } from "./ports.ts"

/**
 * What becomes of the frames for a domain's MAC. Each is a transaction of nft(8) that may follow any other:
 * it adds what is missing and fills the chains anew, while the sets keep what they know.
 *
 * - `observe`: frames go where they always went; who is opening a connection is noted.
 * - `drain`: new connections to the new domain, open ones to the old.
 * - `back`: a drain turned round. What the failed domain opened stays with it, all else returns to the old.
 *
 * The chains are `to_N` for frames that go to the domain, `old_N` and `new_N` for what the two send; the
 * host hooks them to the ports, of which it alone knows the present ones.
 */
export type Steering = "observe" | "drain" | "back"

/** A connection, as a frame to the domain and as a frame from it name it. */
const inward = (ip: string, l4: string) => `${ip} saddr . ${ip} daddr . ${l4} sport . ${l4} dport`
const outward = (ip: string, l4: string) => `${ip} daddr . ${ip} saddr . ${l4} dport . ${l4} sport`

const FAMILIES = [
  { ip: "ip", type: "ipv4_addr", n: 4 },
  { ip: "ip6", type: "ipv6_addr", n: 6 },
] as const

const SYN = "tcp flags & (syn | ack) == syn"

/**
 * Answers to what a domain itself asks, and reports about what it sent: nobody can tell which of the two asked.
 * A domain that does not hear its gateway's answer could serve nobody.
 */
const FOR_BOTH = [
  "ether type arp",
  "icmp type { destination-unreachable, time-exceeded, parameter-problem }",
  "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert }",
]

/** The rules of one table for all the domain's addresses that change hands; those that nobody holds need none. */
export function steeringRules(table: string, pairs: readonly Handover[], how: Steering): string {
  const sets = FAMILIES.flatMap(({ type, n }) => [
    // A repeated SYN belongs to the domain that the first one reached, lest its late answer meets the other's.
    set(table, `opening${n}`, type, 65_536, 5),
    // When the set is full (a flood), new connections still go to the old domain, which serves to the end of the drain.
    set(table, `fresh${n}`, type, 262_144),
    // Datagrams have no beginning: whom the old domain talks to, it goes on talking to.
    set(table, `kept${n}`, type, 65_536, 30),
  ])
  const chains = pairs.flatMap((pair, n) =>
    pair.from === undefined
      ? []
      : [
          ...chain(table, `to_${n}`, toDomain(how, pair.from, pair.to)),
          ...chain(table, `old_${n}`, how === "back" ? [] : keepDatagrams),
          ...chain(table, `new_${n}`, how === "drain" ? ownConnections : []),
        ],
  )
  return [`add table netdev ${table}`, ...sets, ...chains, ""].join("\n")
}

function toDomain(how: Steering, from: string, to: string): string[] {
  const old = `fwd to "${from}"`
  const fresh = `fwd to "${to}"`
  const both = FOR_BOTH.map(match => `${match} dup to "${from}" ${fresh}`)
  const each = (rule: (family: (typeof FAMILIES)[number]) => string) => FAMILIES.map(rule)
  switch (how) {
    case "observe":
      return each(({ ip, n }) => `${SYN} update @opening${n} { ${inward(ip, "tcp")} }`)
    case "drain":
      return [
        ...both,
        ...each(({ ip, n }) => `${SYN} ${inward(ip, "tcp")} @opening${n} ${old}`),
        ...each(({ ip, n }) => `${SYN} update @fresh${n} { ${inward(ip, "tcp")} } ${fresh}`),
        ...each(({ ip, n }) => `${inward(ip, "tcp")} @fresh${n} ${fresh}`),
        `meta l4proto tcp ${old}`,
        ...each(({ ip, n }) => `${inward(ip, "udp")} @kept${n} ${old}`),
        fresh,
      ]
    case "back":
      return [
        ...both,
        ...each(({ ip, n }) => `${SYN} delete @fresh${n} { ${inward(ip, "tcp")} } ${fresh}`),
        ...each(({ ip, n }) => `${inward(ip, "tcp")} @fresh${n} ${old}`),
        fresh,
      ]
  }
}

const keepDatagrams = FAMILIES.map(
  ({ ip, n }) => `meta l4proto udp update @kept${n} { ${outward(ip, "udp")} }`,
)

/** Connections that the new domain opens itself: the answers must come to it. */
const ownConnections = FAMILIES.map(({ ip, n }) => `${SYN} update @fresh${n} { ${outward(ip, "tcp")} }`)

function set(table: string, name: string, type: string, size: number, seconds?: number): string {
  const key = `${type} . ${type} . inet_service . inet_service`
  const flags = seconds === undefined ? "flags dynamic" : `flags dynamic, timeout; timeout ${seconds}s`
  return `add set netdev ${table} ${name} { type ${key}; ${flags}; size ${size}; }`
}

function chain(table: string, name: string, rules: readonly string[]): string[] {
  const at = `netdev ${table} ${name}`
  return [`add chain ${at}`, `flush chain ${at}`, ...rules.map(rule => `add rule ${at} ${rule}`)]
}
