/** How one address family of a link is configured. */
export interface FamilyAddressing {
  /** IPv4: DHCP. IPv6: router advertisements, with DHCPv6 where they ask for it. */
  readonly automatic: boolean
  /** With their prefix length: "192.0.2.7/24". */
  readonly addresses: readonly string[]
  readonly gateway?: string
}

export interface StaticRoute {
  /** A prefix: "198.51.100.0/24". */
  readonly destination: string
  readonly gateway?: string
  readonly metric?: number
}

/** Everything a link is configured with, in no manager's own words. */
export interface Addressing {
  readonly ipv4: FamilyAddressing
  readonly ipv6: FamilyAddressing
  readonly routes: readonly StaticRoute[]
  readonly dns: { readonly servers: readonly string[]; readonly search: readonly string[] }
}

export const NO_ADDRESSING: Addressing = {
  ipv4: { automatic: false, addresses: [] },
  ipv6: { automatic: false, addresses: [] },
  routes: [],
  dns: { servers: [], search: [] },
}

/** A bridge as it is asked for. */
export interface BridgeWanted {
  /** Interface name, at most 15 bytes. */
  readonly name: string
  /** The link that becomes the bridge's port. Without it the bridge is isolated. */
  readonly uplink?: string
  /** The port is this VLAN of the uplink instead of the uplink itself (1-4094). */
  readonly vlan?: number
  /** `uplink` (default for a bridge on the uplink itself): all that the uplink has. Else default: none. */
  readonly addressing?: "uplink" | Addressing
  /** Addresses beside these, with their prefix length. */
  readonly extraAddresses?: readonly string[]
  /** Seconds in which a fresh connection must confirm the change. Default 60. */
  readonly window?: number
}

/** A bridge in full: nothing is left to be found out. */
export interface BridgeConfig {
  readonly name: string
  readonly uplink?: string
  readonly vlan?: number
  /** What the bridge holds: the uplink itself, or "eth0.5". */
  readonly port?: string
  /** The port's own address, so that the address of the host never changes with its domains. */
  readonly mac?: string
  readonly mtu?: number
  /** What was taken over from the uplink, without the extra addresses. */
  readonly taken?: Addressing
  readonly addressing: Addressing
}

/** Interface names as the kernel takes them (dev_valid_name in net/core/dev.c), and as every manager's files do. */
export function isInterfaceName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/.test(name)
}
