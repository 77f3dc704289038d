import type { HostFacts } from "../facts/types.ts"
import { attempt, type Backend } from "./backend.ts"
import { isFarGateway } from "./prefix.ts"
import { template } from "./template.ts"
import type { BridgeConfig } from "./wanted.ts"

/** systemd.network(5), systemd.netdev(5). The first file that matches a link wins: ours sort before all. */
const DIRECTORY = "/etc/systemd/network"
const netdev = template<object>("networkd-bridge.netdev")
const vlanNetdev = template<object>("networkd-vlan.netdev")
const portNetwork = template<object>("networkd-port.network")
const bridgeNetwork = template<object>("networkd-bridge.network")

export const networkd: Backend = {
  files(facts, config) {
    const prefix = `${DIRECTORY}/00-pulumi-xen-${config.name}`
    const data = view(facts, config)
    return {
      [`${prefix}.netdev`]: netdev(data),
      [`${prefix}.network`]: bridgeNetwork(data),
      ...(config.port ? { [`${prefix}-port.network`]: portNetwork(data) } : {}),
      ...(config.vlan ? { [`${prefix}-vlan.netdev`]: vlanNetdev(data), ...vlanOnUplink(facts, config) } : {}),
    }
  },
  prepare: () => [],
  // reload (systemd 244) reads new files but makes no new device before 249; a restart does both, and keeps
  // the links up.
  // It leaves what the uplink had on the uplink: answers there would go astray, and an IPv6 default route by
  // the port would share the traffic with the bridge's (a multipath route).
  change: (_, { port, vlan }) => {
    const restart = ["systemctl", "restart", "systemd-networkd"]
    if (!port || vlan) return [restart]
    return [
      ["ip", "-6", "route", "flush", "dev", port],
      ["ip", "addr", "flush", "dev", port],
      restart,
      // Until then the old one may have had an answer, to its DHCP or by a router, and given the uplink address and routes
      // once more.
      attempt("ip", "addr", "flush", "dev", port),
      attempt("ip", "-4", "route", "flush", "dev", port),
      attempt("ip", "-6", "route", "flush", "dev", port),
    ]
  },
  withdraw: () => [],
  restore: (_, config) => [
    attempt("ip", "link", "delete", "dev", config.name),
    ...(config.vlan ? [attempt("ip", "link", "delete", "dev", config.port!)] : []),
    // An address that has lost its routes is left as it is by networkd, which then finds no way to the gateway.
    ...(config.port && !config.vlan
      ? [attempt("ip", "addr", "flush", "dev", config.port, "scope", "global")]
      : []),
    ["systemctl", "restart", "systemd-networkd"],
  ],
}

/** The uplink keeps its own file and what it has; a drop-in tells it about the VLAN. One that has no file gets one. */
function vlanOnUplink(facts: HostFacts, config: BridgeConfig): Record<string, string> {
  const file = facts.network.networkdFiles[config.uplink!]?.replace(/^.*\//, "")
  // Once it is there, it is the file that the uplink is configured by, and still ours.
  const own = `00-pulumi-xen-${config.name}-uplink.network`
  const text = `# Written by pulumi-xen, for the bridge ${config.name}.\n`
  return file === undefined || file === own
    ? {
        [`${DIRECTORY}/${own}`]: `${text}[Match]\nName=${config.uplink}\n\n[Network]\nVLAN=${config.port}\n`,
      }
    : { [`${DIRECTORY}/${file}.d/pulumi-xen-${config.name}.conf`]: `${text}[Network]\nVLAN=${config.port}\n` }
}

function view(facts: HostFacts, config: BridgeConfig): object {
  const { ipv4, ipv6, dns } = config.addressing
  const has6 = ipv6.automatic || ipv6.addresses.length > 0
  return {
    ...config,
    has6,
    hasAddress: has6 || ipv4.automatic || ipv4.addresses.length > 0,
    dnsSearch: dns.search.join(" "),
    gateways: [ipv4, ipv6]
      .filter(({ gateway }) => gateway !== undefined)
      .map(family => ({ gateway: family.gateway, far: isFarGateway(family) })),
    client: ipv4.automatic && config.uplink ? sameClient(facts, config) : undefined,
  }
}

/**
 * networkd makes its DHCP client identifier out of the interface's name: under another name it would be
 * another client, and get another address. So the bridge is told the uplink's identifier.
 */
function sameClient({ network }: HostFacts, { uplink, name }: BridgeConfig): string | undefined {
  const id = network.dhcpClientIds[uplink!] ?? network.dhcpClientIds[name]
  if (id?.startsWith("ff")) return `IAID=${Number.parseInt(id.slice(2, 10), 16)}`
  return id?.startsWith("01") ? "ClientIdentifier=mac" : undefined
}
