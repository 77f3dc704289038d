import { createHash } from "node:crypto"
import type { HostFacts } from "../facts/types.ts"
import { attempt, type Backend } from "./backend.ts"
import { template } from "./template.ts"
import type { BridgeConfig, FamilyAddressing, StaticRoute } from "./wanted.ts"

/**
 * nm-settings-keyfile(5). The uplink's own profile is left as it is: ours have a higher priority, and when they
 * are gone it is active again.
 */
const DIRECTORY = "/etc/NetworkManager/system-connections"
const bridge = template<object>("nm-bridge.nmconnection")
const port = template<object>("nm-port.nmconnection")

export const networkManager: Backend = {
  files(facts, config) {
    const prefix = `${DIRECTORY}/pulumi-xen-${config.name}`
    return {
      [`${prefix}.nmconnection`]: bridge({ ...config, uuid: uuidOf(config.name), ...view(facts, config) }),
      ...(config.port
        ? { [`${prefix}-port.nmconnection`]: port({ ...config, uuid: uuidOf(`${config.name}-port`) }) }
        : {}),
    }
  },
  prepare: () => [],
  change: (_, config) => [
    ["nmcli", "connection", "reload"],
    ["nmcli", "--wait", "60", "connection", "up", `pulumi-xen-${config.name}${config.port ? "-port" : ""}`],
    ["nmcli", "--wait", "60", "connection", "up", `pulumi-xen-${config.name}`],
  ],
  withdraw: (_, config) => [
    attempt("nmcli", "--wait", "30", "connection", "down", `pulumi-xen-${config.name}`),
  ],
  restore: (_, config) => [
    ["nmcli", "connection", "reload"],
    ["sh", "-c", STAY_AWAY, "sh", config.name, ...(config.vlan ? [config.port!] : [])],
    // Beside a VLAN the uplink has kept what it has: to connect it again would cut the host off for a moment.
    ...(config.uplink && !config.vlan
      ? [attempt("nmcli", "--wait", "60", "device", "connect", config.uplink)]
      : []),
  ],
}

/**
 * Takes the bridge's links away until they stay away. An activation that was under way when its profile went is not always
 * ended by NetworkManager: it brings the bridge up again, addresses and all, after its link was deleted once.
 */
const STAY_AWAY = `
  away=0
  for second in $(seq 20); do
    found=
    for one do ip link delete dev "$one" 2>/dev/null && found=yes; done
    if [ "$found" ] || nmcli -t -f STATE device | grep -qE '^(connecting|deactivating)'; then
      away=0
    else
      away=$((away + 1))
    fi
    [ "$away" -lt 3 ] || exit 0
    sleep 1
  done`

/** The same name always gives the same profile (RFC 9562, version 5 layout). */
function uuidOf(name: string): string {
  const hex = createHash("sha1").update(`pulumi-xen ${name}`).digest("hex")
  const variant = ((Number.parseInt(hex[16]!, 16) & 0x3) | 0x8).toString(16)
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `5${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20, 32),
  ].join("-")
}

/** Properties of the uplink's profile that decide which lease and which routes DHCP gives. */
const PASSED = [
  "dhcp-client-id",
  "dhcp-hostname",
  "dhcp-iaid",
  "route-metric",
  "ignore-auto-dns",
  "never-default",
]
/** Those that decide which IPv6 address the uplink makes for itself, and which a DHCPv6 server gives it. */
const PASSED6 = ["token", "ip6-privacy", "dhcp-iaid", "dhcp-duid"]
/** What `nmcli` prints for a property that nobody set. */
const UNSET = ["", "--", "-1", "no"]

function view(facts: HostFacts, config: BridgeConfig): object {
  const { ipv4, ipv6, routes, dns } = config.addressing
  // A port's profile says nothing of addresses: once the bridge is made, it is the bridge's own that has them.
  const profile =
    [config.uplink ?? "", config.name]
      .map(name => facts.network.profiles[name])
      .find(one => one?.["ipv4.method"] !== undefined) ?? {}
  const ofFamily = (six: boolean) => (text: string) => text.includes(":") === six
  return {
    method4: ipv4.automatic ? "auto" : ipv4.addresses.length > 0 ? "manual" : "disabled",
    method6: ipv6.automatic ? "auto" : ipv6.addresses.length > 0 ? "manual" : "disabled",
    addresses4: numberedAddresses(ipv4),
    addresses6: numberedAddresses(ipv6),
    routes4: numberedRoutes(routes.filter(({ destination }) => !destination.includes(":"))),
    routes6: numberedRoutes(routes.filter(({ destination }) => destination.includes(":"))),
    dns4: dns.servers
      .filter(ofFamily(false))
      .map(server => `${server};`)
      .join(""),
    dns6: dns.servers
      .filter(ofFamily(true))
      .map(server => `${server};`)
      .join(""),
    search: dns.search.map(domain => `${domain};`).join(""),
    passed4: passed(profile, "ipv4", PASSED),
    passed6: ipv6.automatic ? passed(profile, "ipv6", PASSED6) : {},
  }
}

function passed(
  profile: Readonly<Record<string, string>>,
  section: "ipv4" | "ipv6",
  keys: readonly string[],
): object {
  const values = keys.map(key => [key, profile[`${section}.${key}`] ?? ""] as const)
  return Object.fromEntries(values.filter(([, value]) => !UNSET.includes(value)))
}

/** The gateway is written behind the first address. */
function numberedAddresses({ addresses, gateway }: FamilyAddressing): { number: number; text: string }[] {
  return addresses.map((address, at) => ({
    number: at + 1,
    text: at === 0 && gateway ? `${address},${gateway}` : address,
  }))
}

function numberedRoutes(routes: readonly StaticRoute[]): { number: number; text: string }[] {
  return routes.map(({ destination, gateway, metric }, at) => ({
    number: at + 1,
    text: [destination, ...(gateway || metric ? [gateway ?? ""] : []), ...(metric ? [metric] : [])].join(","),
  }))
}
