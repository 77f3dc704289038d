import type { Connection } from "../../ssh/index.ts"
import type { HostFacts } from "../facts/types.ts"
import { askFor } from "./neighbours.ts"
import { isSamePrefix } from "./prefix.ts"
import type { BridgeConfig } from "./wanted.ts"

/**
 * Default gateways that nobody answers at, of those that the bridge brings with it, in words. Whoever looks may be on the
 * host's own link, or come by IPv4 where the one for IPv6 is wrong: that he can come in tells nothing of them. One that there
 * was before is the network's own affair. A static route may lead to a domain that is still to be started.
 */
export async function silentGateways(
  connection: Connection,
  before: HostFacts,
  { name, uplink, addressing: { ipv4, ipv6 } }: BridgeConfig,
  signal: AbortSignal,
): Promise<string[]> {
  const known = before.network.routes.flatMap(({ link, gateway }) =>
    gateway !== undefined && [name, uplink].includes(link) ? [gateway] : [],
  )
  const addresses = [ipv4.gateway, ipv6.gateway]
    .filter(gateway => gateway !== undefined)
    .filter(gateway => !known.some(one => isSamePrefix(one, gateway)))
  if (uplink === undefined || addresses.length === 0) return []
  const { answering, unasked } = await askFor(connection, { addresses, link: name, onLinkOnly: true }, signal)
  return addresses
    .filter(address => !answering.includes(address) && !unasked.includes(address))
    .map(address => `no gateway answers at ${address} on ${name} (correct the gateway, or the uplink)`)
}
