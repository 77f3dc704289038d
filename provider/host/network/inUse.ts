import type { Connection } from "../../ssh/index.ts"
import type { HostFacts } from "../facts/types.ts"
import { type Refusal, refusal } from "../refusal.ts"
import { type BridgeWanted, NO_ADDRESSING } from "./wanted.ts"

/**
 * Prints those of its arguments that answer a ping, on one link where the first argument names it. Whoever sits there does
 * not move by our asking.
 */
const ASK =
  'link=$1; shift; for one do ping ${link:+-I "$link"} -c 1 -W 1 -n "$one" >/dev/null 2>&1 && echo "$one"; done; :'

/**
 * Addresses that the bridge would be given and somebody has already: another link of this host, or another
 * machine that answers at it. An address that moves from the uplink to the bridge is nobody else's.
 */
export async function refuseInUse(
  connection: Connection,
  facts: HostFacts,
  wanted: BridgeWanted,
  signal: AbortSignal,
): Promise<Refusal[]> {
  const { ipv4, ipv6 } = typeof wanted.addressing === "object" ? wanted.addressing : NO_ADDRESSING
  const asked = [...ipv4.addresses, ...ipv6.addresses, ...(wanted.extraAddresses ?? [])].map(bare)
  const owner = (address: string) =>
    facts.network.links.find(link => link.addresses.some(({ cidr }) => bare(cidr) === address))?.name
  const elsewhere = asked.filter(address => ![undefined, wanted.uplink, wanted.name].includes(owner(address)))
  const unknown = asked.filter(address => owner(address) === undefined)
  // A VLAN is reached through its own bridge alone: what answers on another way is on another network.
  const link = wanted.vlan === undefined ? "" : wanted.name
  const canAsk = link === "" || facts.network.links.some(({ name }) => name === link)
  const { stdout } =
    unknown.length > 0 && canAsk
      ? await connection.run(["sh", "-c", ASK, "sh", link, ...unknown], { timeout: 120_000, signal })
      : { stdout: "" }
  const answering = stdout.split("\n").filter(line => line !== "")
  const refused = (address: string, where: string) =>
    refusal(
      "address-in-use",
      `${wanted.name} is to have ${address}, which ${where} has already.`,
      "Choose a free address, or take it away there first.",
    )
  return [
    ...elsewhere.map(address => refused(address, `${owner(address)} of this host`)),
    ...answering.map(address => refused(address, "another machine on its network")),
  ]
}

const bare = (cidr: string): string => cidr.replace(/\/.*$/, "")
