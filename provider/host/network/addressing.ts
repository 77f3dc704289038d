import type { Address, HostFacts, Link, NetworkFacts } from "../facts/types.ts"
import type { Addressing, FamilyAddressing } from "./wanted.ts"

/**
 * What a link is configured with, read from the kernel: it tells what is, whatever the manager's files say.
 * A lifetime tells DHCP and router advertisements from static addresses; the manager's own configuration is
 * asked besides, because a DHCP server may give an infinite lease.
 */
export function addressingOf(facts: HostFacts, name: string): Addressing {
  const { network } = facts
  const link = network.links.find(one => one.name === name)
  const ipv4 = family(link, 4, network, configuredDhcp(network, name))
  const routes = network.routes.filter(route => route.link === name && !isAutomatic(route.protocol))
  return {
    ipv4,
    ipv6: family(link, 6, network, false),
    routes: routes
      .filter(({ destination, protocol }) => destination !== "default" && protocol !== "kernel")
      .map(({ destination, gateway, metric }) => ({
        destination,
        ...(gateway === undefined ? {} : { gateway }),
        // 1024 is what IPv6 routes have when nobody said anything.
        ...(metric === undefined || metric === 1024 ? {} : { metric }),
      })),
    dns: dnsOf(network, name, ipv4.automatic),
  }
}

/** Routes that come back by themselves: with the address, by DHCP or by router advertisement. */
function isAutomatic(protocol: string | undefined): boolean {
  return protocol === "dhcp" || protocol === "ra"
}

function family(
  link: Link | undefined,
  number: 4 | 6,
  network: NetworkFacts,
  dhcp: boolean,
): FamilyAddressing {
  const mine = (link?.addresses ?? []).filter(one => one.family === number && one.scope === "global")
  const defaults = network.routes.filter(
    ({ family, destination, link: via }) =>
      family === number && destination === "default" && via === link?.name,
  )
  // A router may give a default route, and leave the addresses to whoever set up the machine.
  const automatic =
    dhcp || mine.some(isDynamic) || (number === 6 && defaults.some(({ protocol }) => protocol === "ra"))
  const gateway = defaults.find(({ protocol, gateway }) => gateway && !isAutomatic(protocol))?.gateway
  const addresses = mine
    .filter(one => !isDynamic(one) && !(dhcp && mine.length === 1))
    .map(({ cidr }) => cidr)
  // dhclient leaves no protocol on its default route: with DHCP alone the gateway is the server's to say.
  const isServers = automatic && (number === 4 || addresses.length === 0)
  return { automatic, addresses, ...(gateway === undefined || isServers ? {} : { gateway }) }
}

function isDynamic({ dynamic }: Address): boolean {
  return dynamic
}

/** Whether the manager's own configuration says DHCP for this link. */
function configuredDhcp(network: NetworkFacts, name: string): boolean {
  switch (network.manager) {
    case "NetworkManager":
      return network.profiles[name]?.["ipv4.method"] === "auto"
    case "systemd-networkd":
      return /^\s*DHCP\s*=\s*(yes|true|ipv4|v4|both)\s*$/im.test(networkdText(network, name))
    case "ifupdown":
      return Object.values(network.files).some(text =>
        new RegExp(`^\\s*iface\\s+${name.replaceAll(".", "\\.")}\\s+inet\\s+dhcp\\b`, "m").test(text),
      )
    default:
      return false
  }
}

function networkdText(network: NetworkFacts, name: string): string {
  return network.files[network.networkdFiles[name] ?? ""] ?? ""
}

/**
 * resolv.conf may name a stub on loopback; then only the manager knows the servers. With DHCP what it names is
 * the server's word of today, and not configuration.
 */
function dnsOf(network: NetworkFacts, name: string, dhcp: boolean): Addressing["dns"] {
  const real = network.dns.servers.filter(server => !/^(127\.|::1$)/.test(server))
  const configured = {
    NetworkManager: () =>
      ["ipv4.dns", "ipv6.dns"].flatMap(key => (network.profiles[name]?.[key] ?? "").split(/[,;\s]+/)),
    "systemd-networkd": () =>
      [...networkdText(network, name).matchAll(/^\s*DNS\s*=\s*(.*)$/gm)].flatMap(([, list]) =>
        list!.split(/\s+/),
      ),
    ifupdown: () =>
      Object.values(network.files).flatMap(text =>
        [...text.matchAll(/^\s*dns-nameservers?\s+(.*)$/gm)].flatMap(([, list]) => list!.split(/\s+/)),
      ),
    other: () => [],
  }
    [network.manager]()
    .filter(server => server !== "")
  if (configured.length === 0 && dhcp) return { servers: [], search: [] }
  return { servers: [...new Set(configured.length > 0 ? configured : real)], search: network.dns.search }
}
