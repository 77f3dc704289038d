import type { Addressing, BridgeConfig, BridgeWanted, FamilyAddressing } from "../host/network/wanted.ts"
import {
  choice,
  either,
  type Fields,
  flag,
  incidental,
  integer,
  type Known,
  list,
  object,
  optional,
  replaces,
  text,
  withDefault,
} from "../rpc/declare.ts"
import { connection } from "./connection.ts"
import { given } from "./given.ts"

// dev_valid_name of net/core/dev.c, less what the network managers' files do not take.
export const interfaceName = {
  pattern: /[A-Za-z0-9][A-Za-z0-9_.-]{0,14}/,
  says: "an interface's name: at most 15 letters, digits, dots, hyphens and underscores",
}
const cidr = {
  pattern: /[0-9A-Fa-f.:]+\/[0-9]{1,3}/,
  says: 'an address with its prefix length, such as "192.0.2.7/24" or "2001:db8::7/64"',
}
const address = { pattern: /[0-9A-Fa-f.:]+/, says: "an IP address" }
const prefix = {
  pattern: /default|[0-9A-Fa-f.:]+(\/[0-9]{1,3})?/,
  says: 'a prefix, such as "198.51.100.0/24"',
}

const family = (automatic: string) =>
  object("one address family", "FamilyAddressing", {
    automatic: withDefault(flag(automatic), false),
    addresses: withDefault(list("addresses with their prefix length", text("address", cidr)), []),
    gateway: optional(text("default gateway", address)),
  })

const addressing = object("what the host has on the bridge", "BridgeAddressing", {
  ipv4: optional(family("whether the network gives addresses: DHCP, or router advertisements for IPv6")),
  ipv6: optional(family("whether the network gives addresses: DHCP, or router advertisements for IPv6")),
  routes: withDefault(
    list(
      "routes beside the default one",
      object("route", "StaticRoute", {
        destination: text("prefix", prefix),
        gateway: optional(text("gateway", address)),
        metric: optional(integer("the lower one wins", { min: 0 })),
      }),
    ),
    [],
  ),
  dns: withDefault(list("name servers", text("name server", address)), []),
  search: withDefault(list("search domains", text("domain")), []),
})

/** Seconds. */
const defaultWindow = 60

/** What a program says of a bridge. */
export const inputs = {
  connection,
  name: replaces(text("name of the bridge", interfaceName)),
  // Another port is another bridge: the old uplink gets its own configuration back first.
  uplink: replaces(
    optional(
      text("interface that becomes the bridge's port; without it the bridge is isolated", interfaceName),
    ),
  ),
  vlan: replaces(
    optional(
      integer("the port is this VLAN of the uplink, and not the uplink itself", { min: 1, max: 4094 }),
    ),
  ),
  addressing: optional(
    either(
      "what the host has on it: uplink (all that the uplink has; the default there), none, or this",
      choice("addressing", ["uplink", "none"]),
      addressing,
    ),
  ),
  extraAddresses: withDefault(
    list("addresses beside these, with their prefix length", text("address", cidr)),
    [],
  ),
  window: withDefault(
    incidental(integer("seconds in which the host must answer again after a change", { min: 10, max: 3600 })),
    defaultWindow,
  ),
} as const satisfies Fields

export type Inputs = Known<typeof inputs>

const noFamily: FamilyAddressing = { automatic: false, addresses: [] }

/** The same in the words of the host's plans. */
export function wantedOf({ connection: _, addressing: asked, ...rest }: Inputs): BridgeWanted {
  return given({ ...rest, addressing: asked === undefined ? undefined : addressingOf(asked) })
}

function addressingOf(asked: NonNullable<Inputs["addressing"]>): "uplink" | Addressing {
  if (asked === "uplink") return asked
  const { ipv4, ipv6, routes = [], dns: servers = [], search = [] } = asked === "none" ? {} : asked
  return {
    ipv4: ipv4 ? given(ipv4) : noFamily,
    ipv6: ipv6 ? given(ipv6) : noFamily,
    routes: routes.map(given),
    dns: { servers, search },
  }
}

/** What a program has to say for a bridge to be as it is recorded: for `pulumi import`. */
export function inputsOf({
  name,
  uplink,
  vlan,
  taken,
  addressing: has,
}: BridgeConfig): Omit<Inputs, "connection"> {
  const addresses = ({ ipv4, ipv6 }: Addressing) => [...ipv4.addresses, ...ipv6.addresses]
  const { ipv4, ipv6, routes, dns } = has
  const nothing = addresses(has).length === 0 && !ipv4.automatic && !ipv6.automatic
  const family = (one: FamilyAddressing) => (one.automatic || one.addresses.length > 0 ? one : undefined)
  const families = given({ ipv4: family(ipv4), ipv6: family(ipv6) })
  const said = { ...families, routes, dns: dns.servers, search: dns.search }
  return {
    ...given({ name, uplink, vlan, addressing: taken ? undefined : nothing ? ("none" as const) : said }),
    extraAddresses: taken ? addresses(has).filter(one => !addresses(taken).includes(one)) : [],
    window: defaultWindow,
  }
}
