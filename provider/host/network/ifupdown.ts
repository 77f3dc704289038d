import { attempt, type Backend } from "./backend.ts"
import { isFarGateway } from "./prefix.ts"
import { template } from "./template.ts"
import type { BridgeConfig, FamilyAddressing } from "./wanted.ts"

/** interfaces(5). Debian's and its relatives' classic: two commands and a file of stanzas. */
const MAIN = "/etc/network/interfaces"
const render = template<object>("ifupdown")

/** `source-directory` takes names of letters, digits, `_` and `-` only. */
function ownFile(name: string): string {
  return `/etc/network/interfaces.d/pulumi-xen-${name.replaceAll(".", "_")}`
}

export const ifupdown: Backend = {
  files(facts, config, originals) {
    const current = facts.network.files
    const files: Record<string, string> = {}
    const hooks: string[] = []
    let stanza6: Stanza6 | undefined
    if (config.uplink && !config.vlan) {
      for (const [path, text] of Object.entries(current)) {
        if (!path.startsWith("/etc/network/") || path === ownFile(config.name)) continue
        const without = withoutInterface(text, config.uplink).text
        if (without !== text) files[path] = without
        // At the second run the uplink's stanza is gone from the file; what it ran is still wanted.
        const was = withoutInterface(originals[path] ?? text, config.uplink)
        if (config.taken) stanza6 ??= was.stanza6
        hooks.push(...was.hooks.map(line => renamed(line, config.uplink!, config.name)))
      }
    }
    const main = files[MAIN] ?? current[MAIN] ?? ""
    if (!reads(main)) files[MAIN] = withSource(main)
    files[ownFile(config.name)] = render(view(config, hooks, stanza6))
    return files
  },
  // The file that reads our files is theirs together: whoever goes last takes the line along, and nobody what is another's.
  back({ network: { files } }, { name, uplink, vlan }, originals) {
    const { [MAIN]: noted, ...others } = originals
    // Beside an uplink that keeps its stanza, only the line is this bridge's: the file as it was may be another's since.
    const main = (uplink && !vlan ? noted : undefined) ?? files[MAIN] ?? ""
    const isLast = !Object.keys(files).some(path => path.startsWith(ownFile("")) && path !== ownFile(name))
    const wanted = isLast ? withoutSource(main) : reads(main) ? main : withSource(main)
    if (isLast && noted === null && wanted === "") return originals
    return wanted === files[MAIN] ? others : { ...others, [MAIN]: wanted }
  },
  // The uplink is taken down while its stanza is still there: only so its DHCP client ends.
  prepare: (_, config) =>
    config.uplink && !config.vlan ? [attempt("ifdown", "--force", config.uplink)] : [],
  change: (_, config) => [["ifup", "--force", config.name]],
  withdraw: (_, config) => [
    attempt("ifdown", "--force", config.name),
    attempt("ip", "link", "delete", "dev", config.name),
  ],
  restore: (_, config) =>
    config.uplink && !config.vlan
      ? [
          attempt("sh", "-c", END_CLIENT, "sh", config.uplink),
          attempt("ip", "addr", "flush", "dev", config.uplink),
          ["sh", "-c", BEGIN_IPV6, "sh", config.uplink],
          ["ifup", "--force", config.uplink],
        ]
      : [],
}

/** A change that failed before it took the uplink down has left its DHCP client: ifup would start a second one beside it. */
const END_CLIENT = '! ifquery --state "$1" >/dev/null 2>&1 || ifdown --force "$1"'

/**
 * A port of a bridge has lost its link-local address. A link makes it, and asks for routers, when it comes up or when IPv6
 * begins on it (disable_ipv6 in the kernel's ip-sysctl.rst); it is up, and is not to lose its carrier for that.
 */
const BEGIN_IPV6 = `switch=/proc/sys/net/ipv6/conf/$1/disable_ipv6
[ "$(cat "$switch" 2>/dev/null)" != 0 ] || { echo 1 >"$switch" && echo 0 >"$switch"; }`

const SOURCE = `source ${ownFile("*")}`

function withSource(main: string): string {
  return `${main}${main === "" || main.endsWith("\n") ? "" : "\n"}${SOURCE}\n`
}

function withoutSource(main: string): string {
  return main
    .split("\n")
    .filter(line => line !== SOURCE)
    .join("\n")
}

/** Whether /etc/network/interfaces reads our file already. */
function reads(main: string): boolean {
  return /^\s*source(-directory)?\s+(\/etc\/network\/)?interfaces\.d(\/(\*|pulumi-xen-\*))?\s*$/m.test(main)
}

/** What the template shows. */
function view(config: BridgeConfig, hooks: readonly string[], stanza6: Stanza6 | undefined): object {
  const { ipv4, ipv6, routes, dns } = config.addressing
  // A route that a carried-over command makes is made by that command: `ip route add` fails where it exists.
  const isSix = (text: string) => text.includes(":")
  const routeLines = (six: boolean) =>
    routes
      .filter(
        ({ destination }) => isSix(destination) === six && !hooks.some(line => line.includes(destination)),
      )
      .map(
        ({ destination, gateway, metric }) =>
          `ip ${six ? "-6" : "-4"} route replace ${destination}${gateway ? ` via ${gateway}` : ""} dev ${config.name}` +
          (metric === undefined ? "" : ` metric ${metric}`),
      )
  const later = ({ automatic, addresses }: FamilyAddressing, number: 4 | 6) =>
    automatic ? addresses.map(address => `ip -${number} addr replace ${address} dev ${config.name}`) : []
  // A gateway outside the prefix (a /32 or /128, as many hosters give) must be said to be on the link.
  const far4 = isFarGateway(ipv4)
  const has6 = ipv6.automatic || ipv6.addresses.length > 0
  const routes6 = [
    ...later(ipv6, 6),
    ...(ipv6.automatic && ipv6.gateway
      ? [`ip -6 route replace default via ${ipv6.gateway} dev ${config.name} onlink`]
      : []),
    ...routeLines(true),
  ]
  return {
    ...config,
    automatic4: ipv4.automatic,
    method4: ipv4.automatic ? "dhcp" : ipv4.addresses.length > 0 ? "static" : "manual",
    addresses4: ipv4.automatic ? [] : ipv4.addresses,
    gateway4: far4 ? undefined : ipv4.gateway,
    up4: [
      ...later(ipv4, 4),
      ...(far4 ? [`ip -4 route replace default via ${ipv4.gateway} dev ${config.name} onlink`] : []),
      ...routeLines(false),
      ...(has6 ? [] : routes6),
    ],
    hooks,
    method6: ipv6.automatic ? (stanza6?.method ?? "auto") : has6 ? "static" : undefined,
    automatic6: ipv6.automatic,
    options6: stanza6?.options ?? [],
    addresses6: ipv6.addresses,
    gateway6: ipv6.gateway,
    up6: routes6,
    dnsServers: dns.servers.join(" "),
    dnsSearch: dns.search.join(" "),
  }
}

const KEYWORD = /^\s*(iface|mapping|auto|allow-\S+|source|source-directory|no-auto-down|no-scripts|rename)\b/
const HOOK = /^\s*(pre-up|up|post-up|down|pre-down|post-down)\s/

/** How an interface asks for IPv6: the method of its stanza, and what says how its addresses come about. */
interface Stanza6 {
  readonly method: "auto" | "dhcp"
  readonly options: string[]
}
const OPTION6 = /^\s*(dhcp|privext|autoconf|request_prefix)\s/

/**
 * An interfaces(5) file without one interface: its `iface` stanzas go, and its name in `auto` and `allow-…`
 * lines. The commands its stanzas ran are returned, and how it asks for IPv6: somebody wanted them.
 */
export function withoutInterface(
  text: string,
  name: string,
): { text: string; hooks: string[]; stanza6?: Stanza6 } {
  const kept: string[] = []
  const hooks: string[] = []
  let inside = false
  let stanza6: Stanza6 | undefined
  let isSix = false
  for (const line of text.split("\n")) {
    if (KEYWORD.test(line)) {
      const [keyword = "", ...words] = line.trim().split(/\s+/)
      inside = keyword === "iface" && words[0] === name
      const method = inside && words[1] === "inet6" ? words[2] : undefined
      isSix = method === "auto" || method === "dhcp"
      if (method === "auto" || method === "dhcp") stanza6 = { method, options: [] }
      if (/^(auto|allow-\S+|no-auto-down|no-scripts)$/.test(keyword) && words.includes(name)) {
        const others = words.filter(word => word !== name)
        if (others.length > 0) kept.push([keyword, ...others].join(" "))
        continue
      }
    }
    if (!inside) kept.push(line)
    else if (HOOK.test(line)) hooks.push(line.trim())
    else if (isSix && OPTION6.test(line)) stanza6?.options.push(line.trim())
    else if (/^\s*$/.test(line)) kept.push(line)
  }
  return { text: kept.join("\n"), hooks, ...(stanza6 && { stanza6 }) }
}

/** A command with every mention of one interface replaced by another. */
function renamed(line: string, from: string, to: string): string {
  const word = new RegExp(`(?<![\\w.:-])${from.replaceAll(".", "\\.")}(?![\\w.:-])`, "g")
  return line.replace(word, to)
}
