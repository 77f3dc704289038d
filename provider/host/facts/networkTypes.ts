export type NetworkManagerName = "ifupdown" | "NetworkManager" | "systemd-networkd" | "other"

export interface Address {
  /** "192.0.2.7/24", "2001:db8::7/64". */
  readonly cidr: string
  readonly family: 4 | 6
  readonly scope: "global" | "link" | "host" | "site"
  /** It has a lifetime: DHCP or router advertisement gave it. */
  readonly dynamic: boolean
}

export interface Link {
  readonly name: string
  readonly mac: string
  readonly up: boolean
  readonly carrier: boolean
  readonly mtu: number
  /** rtnl kind: "bridge", "vlan", "veth", "bond"…; absent for hardware. */
  readonly kind?: string
  /** Name of the bridge or bond it is a port of. */
  readonly controller?: string
  /** VLAN: its number and the link it lies on. */
  readonly vlan?: number
  readonly parent?: string
  /** Bridge only. */
  readonly bridge?: { readonly stp: boolean; readonly forwardDelay: number }
  readonly addresses: readonly Address[]
}

export interface Route {
  readonly family: 4 | 6
  /** "default" or a prefix. */
  readonly destination: string
  readonly gateway?: string
  readonly link: string
  readonly metric?: number
  readonly protocol?: string
}

export interface NetworkFacts {
  /** What configures the uplink now. */
  readonly manager: NetworkManagerName
  /** What that was concluded from. */
  readonly evidence: string
  /** Managers that are active at all. */
  readonly active: readonly NetworkManagerName[]
  readonly links: readonly Link[]
  readonly routes: readonly Route[]
  readonly dns: { readonly servers: readonly string[]; readonly search: readonly string[] }
  /** The link of the default route (IPv4 first). */
  readonly uplink?: string
  /** The address this SSH session came in on, and its link. */
  readonly session?: { readonly address: string; readonly link?: string }
  /** Configuration files of the managers by path, without secrets. */
  readonly files: Readonly<Record<string, string>>
  /** Lines that were not read of these files, by path, counted from 1: they may hold keys. Absent: all was read. */
  readonly unread?: Readonly<Record<string, readonly number[]>>
  /** systemd-networkd: the .network file that each link is configured by. */
  readonly networkdFiles: Readonly<Record<string, string>>
  /** systemd-networkd: the DHCP client identifier of each link that has a lease, in hex. */
  readonly dhcpClientIds: Readonly<Record<string, string>>
  /** NetworkManager: the active profile of each device, as `nmcli connection show` prints it. */
  readonly profiles: Readonly<Record<string, Readonly<Record<string, string>>>>
}
