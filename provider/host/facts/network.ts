import { lines, parseFields, type Sections } from "./sections.ts"
import type { Address, Link, NetworkFacts, NetworkManagerName, Route } from "./types.ts"
import { parseUnits } from "./units.ts"

/** As far as `ip -j -d addr` (iproute2) is read. */
interface IpLink {
  ifname: string
  link?: string
  address?: string
  flags?: string[]
  mtu?: number
  master?: string
  operstate?: string
  linkinfo?: {
    info_kind?: string
    info_data?: { id?: number; stp_state?: number; forward_delay?: number }
  }
  addr_info?: {
    family: string
    local?: string
    prefixlen: number
    scope: Address["scope"]
    valid_life_time?: number
    dynamic?: boolean
  }[]
}

/** iproute2 writes infinity as 2^32 - 1. */
const FOREVER = 4294967295

export function parseLinks(json: string): Link[] {
  return (parseJson(json) as IpLink[])
    .filter(link => link.ifname !== undefined)
    .map(link => {
      const { info_kind: kind, info_data: data } = link.linkinfo ?? {}
      const flags = link.flags ?? []
      return {
        name: link.ifname,
        mac: link.address ?? "",
        up: flags.includes("UP"),
        carrier: flags.includes("LOWER_UP") && !flags.includes("NO-CARRIER"),
        mtu: link.mtu ?? 0,
        ...(kind === undefined ? {} : { kind }),
        ...(link.master === undefined ? {} : { controller: link.master }),
        ...(kind === "vlan" && data?.id !== undefined ? { vlan: data.id } : {}),
        ...(kind === "vlan" && link.link !== undefined ? { parent: link.link } : {}),
        ...(kind === "bridge"
          ? { bridge: { stp: (data?.stp_state ?? 0) !== 0, forwardDelay: (data?.forward_delay ?? 0) / 100 } }
          : {}),
        addresses: (link.addr_info ?? [])
          .filter(({ local }) => local !== undefined)
          .map(address => ({
            cidr: `${address.local}/${address.prefixlen}`,
            family: address.family === "inet6" ? (6 as const) : (4 as const),
            scope: address.scope,
            dynamic: address.dynamic === true || (address.valid_life_time ?? FOREVER) < FOREVER,
          })),
      }
    })
}

/** As far as `ip -j -d route show table all` is read. */
interface IpRoute {
  dst: string
  table?: string
  /** RFC 4191: IPv6 routes have a preference, and they alone. */
  pref?: string
  gateway?: string
  dev?: string
  metric?: number
  protocol?: string
  nexthops?: { gateway?: string; dev: string }[]
}

/** The main table, of both families. A multipath route counts as one route for each of its ways. */
export function parseRoutes(json: string): Route[] {
  return (parseJson(json) as IpRoute[])
    .flatMap(({ nexthops, ...route }) => nexthops?.map(way => ({ ...route, ...way })) ?? [route])
    .filter(({ dev, table }) => dev !== undefined && table === "main")
    .map(({ dst, gateway, dev, metric, protocol, pref }) => ({
      family: pref === undefined ? 4 : 6,
      destination: dst,
      ...(gateway === undefined ? {} : { gateway }),
      link: dev!,
      ...(metric === undefined ? {} : { metric }),
      ...(protocol === undefined ? {} : { protocol }),
    }))
}

function parseJson(text: string | undefined): unknown[] {
  if (!text?.trim().startsWith("[")) return []
  return JSON.parse(text) as unknown[]
}

/** resolv.conf(5): every `nameserver`, the last `search` or `domain`. */
export function parseResolvConf(text = ""): { servers: string[]; search: string[] } {
  const words = lines(text).map(line => line.trim().split(/\s+/))
  return {
    servers: words.filter(([keyword]) => keyword === "nameserver").map(([, address]) => address!),
    search: words.findLast(([keyword]) => keyword === "search" || keyword === "domain")?.slice(1) ?? [],
  }
}

/** `nmcli -t` escapes colons and backslashes in fields. */
export function nmcliFields(line: string): string[] {
  return [...line.matchAll(/((?:\\.|[^:\\])*)(?::|$)/g)]
    .map(([, field]) => field!.replace(/\\(.)/g, "$1"))
    .slice(0, -1)
}

/** `nmcli -t connection show`: `property:value`; an empty value and `--` both mean not set. */
export function parseProfile(text: string): Record<string, string> {
  const profile: Record<string, string> = {}
  for (const line of lines(text)) {
    const at = line.indexOf(":")
    const value = line.slice(at + 1).replace(/\\(.)/g, "$1")
    // Upper case is live state ("IP4.ADDRESS[1]"), lower case is configuration.
    if (at > 0 && value !== "" && value !== "--" && /^[a-z0-9]/.test(line)) profile[line.slice(0, at)] = value
  }
  return profile
}

const MANAGERS: readonly { readonly name: NetworkManagerName; readonly unit: string }[] = [
  { name: "NetworkManager", unit: "NetworkManager.service" },
  { name: "systemd-networkd", unit: "systemd-networkd.service" },
  { name: "ifupdown", unit: "networking.service" },
]

/**
 * What configures `link` now. A manager that runs is not yet in charge: each is asked for the link itself,
 * the one that would win first.
 */
export function managerOf(
  link: string | undefined,
  sections: Sections,
  ifindexOf: (name: string) => number | undefined,
): { manager: NetworkManagerName; evidence: string } {
  if (link === undefined) return { manager: "other", evidence: "no link has a default route" }
  const device = lines(sections.get("nm-devices"))
    .map(nmcliFields)
    .find(([name]) => name === link)
  if (device && /^connect/.test(device[1] ?? ""))
    return {
      manager: "NetworkManager",
      evidence: `NetworkManager says that ${link} is ${device[1]} by "${device[2]}"`,
    }
  const index = ifindexOf(link)
  const netif = parseFields(sections.get(`netif ${index}`) ?? "")
  if (/^config/.test(netif.ADMIN_STATE ?? ""))
    return {
      manager: "systemd-networkd",
      evidence: `systemd-networkd configures ${link} by ${netif.NETWORK_FILE}`,
    }
  if (lines(sections.get("file /run/network/ifstate")).some(line => line.split("=")[0] === link))
    return { manager: "ifupdown", evidence: `/run/network/ifstate holds ${link}` }
  return { manager: "other", evidence: `neither NetworkManager, systemd-networkd nor ifupdown holds ${link}` }
}

export function parseNetwork(sections: Sections): NetworkFacts {
  // A line for each of the two questions.
  const [addresses = "", allRoutes = ""] = lines(sections.get("addresses"))
  const links = parseLinks(addresses)
  const routes = parseRoutes(allRoutes)
  const uplink = routes
    .filter(({ destination }) => destination === "default")
    .sort((a, b) => a.family - b.family || (a.metric ?? 0) - (b.metric ?? 0))[0]?.link
  const indexes = new Map(
    (parseJson(addresses) as { ifname: string; ifindex: number }[]).map(({ ifname, ifindex }) => [
      ifname,
      ifindex,
    ]),
  )
  const units = parseUnits(sections.get("units"))
  const named = sections
    .get("identity")
    ?.match(/^session=(.*)$/m)?.[1]
    ?.split(" ")[2]
  const sessionLink = links.find(link =>
    link.addresses.some(({ cidr }) => cidr.split("/")[0] === named),
  )?.name
  /** A field of a section that is named by the link's index, by the link's name. */
  const byLink = (section: string, field: string): Record<string, string> =>
    Object.fromEntries(
      links.flatMap(({ name }) => {
        const value = parseFields(sections.get(`${section} ${indexes.get(name)}`) ?? "")[field]
        return value ? [[name, value]] : []
      }),
    )
  return {
    ...managerOf(uplink ?? sessionLink, sections, name => indexes.get(name)),
    active: MANAGERS.flatMap(({ name, unit }) => (units[unit]?.active === "active" ? [name] : [])),
    links,
    routes,
    dns: parseResolvConf(sections.get("file /etc/resolv.conf")),
    ...(uplink === undefined ? {} : { uplink }),
    ...(named
      ? { session: { address: named, ...(sessionLink === undefined ? {} : { link: sessionLink }) } }
      : {}),
    files: networkFiles(sections),
    unread: unreadLines(sections),
    profiles: Object.fromEntries(
      [...sections]
        .filter(([name]) => name.startsWith("nm-profile "))
        .map(([name, text]) => [name.slice("nm-profile ".length), parseProfile(text)]),
    ),
    networkdFiles: byLink("netif", "NETWORK_FILE"),
    dhcpClientIds: byLink("lease", "CLIENTID"),
  }
}

const NETWORK_FILE = /^file (\/etc\/network\/|\/(etc|run)\/systemd\/network\/|\/etc\/NetworkManager\/)/

function networkFiles(sections: Sections): Record<string, string> {
  return Object.fromEntries(
    [...sections]
      .filter(([name]) => NETWORK_FILE.test(name))
      .map(([name, text]) => [name.slice("file ".length), text]),
  )
}

function unreadLines(sections: Sections): Record<string, number[]> {
  return Object.fromEntries(
    [...sections]
      .filter(([name]) => name.startsWith("unread "))
      .map(([name, text]) => [name.slice("unread ".length), text.trim().split(" ").map(Number)]),
  )
}
