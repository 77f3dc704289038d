import { readFileSync } from "node:fs"
import { isIP } from "node:net"
import type { Command } from "../../ssh/command.ts"
import type { Connection } from "../../ssh/index.ts"
import { quoteCommand } from "../../ssh/quote.ts"
import type { HostFacts } from "../facts/types.ts"
import { contains } from "../network/prefix.ts"
import { STAGED_VIF_SCRIPT, stagingBridge } from "./names.ts"
import type { Port } from "./ports.ts"
import { forgetFlows, observeFlows, type SwapOptions } from "./switch.ts"

const read = (name: string) => readFileSync(new URL(name, import.meta.url), "utf8")
const STAGE_SH = read("stage.sh")
const VIF_SH = read("vif.sh").trimEnd()

/** Where a domain is reached, as its networks have it. */
export interface Addressing {
  /** IPv4 and IPv6, with or without a prefix length: "192.0.2.7/24". */
  readonly addresses: readonly string[]
  readonly gateways: readonly string[]
}

/** Where a new generation starts, apart from all others, under the address that it will have. */
export interface Staging {
  /** What its interface is to be a port of, instead of its own bridge. */
  readonly bridge: string
  /** The network namespace that stands for the gateway there. */
  readonly namespace: string
  /** The hotplug script that joins an interface to that bridge, unless it has one of its own. */
  readonly script: string
}

/** The new domain cannot be checked apart: nobody's address can be put there to check it from. */
export class StagingError extends Error {
  override readonly name = "StagingError"
  readonly host: string
  readonly domain: string

  constructor(host: string, domain: string, reason: string) {
    super(
      `${host}: ${domain} cannot be started beside the old domain: ${reason.trim()} ` +
        'Give its gateway, or the host an address on the bridge, or choose strategy "recreate".',
    )
    this.host = host
    this.domain = domain
  }
}

/** Why a domain cannot be checked on a staging bridge, in a clause; as far as the facts tell. */
export function refuseStaging(
  { network }: Pick<HostFacts, "network">,
  { bridge, addressing: { addresses, gateways } }: { bridge: string; addressing: Addressing },
): string | undefined {
  if (addresses.length === 0) return "its address is not known"
  const link = network.links.find(({ name }) => name === bridge)
  if (link && link.kind !== "bridge") return `${bridge} is no bridge of Linux's own`
  const hosts = (link?.addresses ?? []).map(({ cidr }) => cidr)
  const alone = addresses.find(address => {
    const family = isIP(bare(address))
    const gateway = gateways.some(other => isIP(other) === family)
    return !gateway && !hosts.some(cidr => isIP(bare(cidr)) === family && contains(cidr, bare(address)))
  })
  return alone === undefined
    ? undefined
    : `nobody can check ${bare(alone)}: it has no gateway, and the host has no address beside it on ${bridge}`
}

/**
 * Makes the staging bridge, and the namespace that carries the gateway's address with the gateway's own MAC: what
 * the new domain learns there about its gateway is true on its own bridge. What is there already is made anew,
 * but for the bridge, which may have the domain's port by now. From now on it is noted who opens connections to the ports
 * that serve, in the same round trip.
 * @throws StagingError when neither the gateway answers nor the host has an address on the bridge.
 */
export async function stage(
  connection: Connection,
  of: {
    readonly domain: string
    readonly bridge: string
    readonly addressing: Addressing
    readonly serving?: readonly Port[]
  },
  { signal, onStatus = () => {} }: SwapOptions = {},
): Promise<Staging> {
  const bridge = stagingBridge(of.domain)
  onStatus(`${of.domain}: making the staging bridge ${bridge}`)
  const family = (wanted: 4 | 6) => (address: string) => isIP(bare(address)) === wanted
  const words = ([4, 6] as const).flatMap(n => [
    of.addressing.gateways.map(bare).filter(family(n)).join(" "),
    of.addressing.addresses.map(bare).filter(family(n)).join(" "),
  ])
  const { domain, serving = [] } = of
  const up = quoteCommand(stageCommand("up", bridge, [of.bridge, ...words, VIF_SH]))
  const observe =
    serving.length === 0 ? "" : ` && { ${quoteCommand(observeFlows(domain, serving))} || [ $? = 1 ]; }`
  const { exit, stderr } = await connection.run(["sh", "-c", `${up}${observe}`], {
    expect: [0, 3],
    timeout: 240_000,
    ...(signal ? { signal } : {}),
  })
  if (exit === 3) throw new StagingError(connection.name, of.domain, stderr)
  return { bridge, namespace: bridge, script: STAGED_VIF_SCRIPT }
}

/**
 * Takes observation, namespace and staging bridge away, the bridge last: as long as it is seen, something is left. A domain
 * that is still there is left without a bridge.
 */
export async function unstage(
  connection: Connection,
  domain: string,
  options: SwapOptions = {},
): Promise<void> {
  const { signal } = options
  await forgetFlows(connection, domain, options)
  await connection.run(stageCommand("down", stagingBridge(domain)), {
    timeout: 120_000,
    ...(signal ? { signal } : {}),
  })
}

const stageCommand = (verb: "up" | "down", bridge: string, words: readonly string[] = []): Command => [
  ...["bash", "-c", STAGE_SH, "stage", verb, bridge, STAGED_VIF_SCRIPT],
  ...words,
]

const bare = (address: string): string => address.split("/")[0] ?? ""
