import type { Connection } from "../../ssh/index.ts"
import type { HostFacts } from "../facts/types.ts"
import { type Refusal, refusal } from "../refusal.ts"
import { type Answers, askFor } from "./neighbours.ts"
import { type BridgeWanted, NO_ADDRESSING } from "./wanted.ts"

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
  const question = { addresses, link, onLinkOnly: vlan !== undefined, gateways }
  const answers = await askFor(connection, question, signal)
  // Without an uplink there is nobody to ask.
  return uplink === undefined ? { ...answers, unasked: [] } : answers
}

const bare = (cidr: string): string => cidr.replace(/\/.*$/, "")
