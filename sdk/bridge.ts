import { type ConnectionArgs, sealConnection } from "./connection.ts"
import * as pulumi from "./pulumi.ts"

/** IPv4 or IPv6 on a bridge. */
export interface FamilyAddressingArgs {
  /** Whether the network gives addresses: DHCP, or router advertisements for IPv6. Default: false. */
  automatic?: pulumi.Input<boolean>
  /** Addresses with their prefix length. */
  addresses?: pulumi.Input<pulumi.Input<string>[]>
  /** Default gateway. */
  gateway?: pulumi.Input<string>
}

/** A route beside the default one. */
export interface StaticRouteArgs {
  /** `198.51.100.0/24`. */
  destination: pulumi.Input<string>
  gateway?: pulumi.Input<string>
  /** The lower one wins. */
  metric?: pulumi.Input<number>
}

/** What the host has on a bridge. */
export interface BridgeAddressingArgs {
  ipv4?: pulumi.Input<FamilyAddressingArgs>
  ipv6?: pulumi.Input<FamilyAddressingArgs>
  routes?: pulumi.Input<pulumi.Input<StaticRouteArgs>[]>
  /** Name servers. */
  dns?: pulumi.Input<pulumi.Input<string>[]>
  /** Search domains. */
  search?: pulumi.Input<pulumi.Input<string>[]>
}

export interface BridgeArgs {
  /** How the host is reached over SSH. */
  connection: pulumi.Input<ConnectionArgs>
  /** Name of the bridge, at most 15 characters. */
  name: pulumi.Input<string>
  /** Interface that becomes the bridge's port. Default: none, the bridge is isolated. */
  uplink?: pulumi.Input<string>
  /** The port is this VLAN of the uplink, and not the uplink itself. */
  vlan?: pulumi.Input<number>
  /** What the host has on it: all that the uplink has (the default where there is one), nothing, or this. */
  addressing?: pulumi.Input<"uplink" | "none" | BridgeAddressingArgs>
  /** Addresses beside these, with their prefix length. */
  extraAddresses?: pulumi.Input<pulumi.Input<string>[]>
  /** Seconds in which the host must answer again after a change. Default: 60. */
  window?: pulumi.Input<number>
}

/**
 * A network bridge of a host. It takes over what its uplink has; the host takes the change back by itself unless it
 * can still be reached afterwards.
 */
export class Bridge extends pulumi.CustomResource {
  /** Name of the bridge, for a domain's vif. */
  declare readonly name: pulumi.Output<string>
  /** The interface that is its port; `undefined` for an isolated bridge. */
  declare readonly port: pulumi.Output<string | undefined>
  /** MAC address that it shares with its port. */
  declare readonly mac: pulumi.Output<string | undefined>
  /** The host's static addresses on it. */
  declare readonly addresses: pulumi.Output<string[]>
  /** What configures it: ifupdown, NetworkManager or systemd-networkd. */
  declare readonly manager: pulumi.Output<string>
  /** How the guard of the last change ended; `none` where it could not cut the host off. */
  declare readonly guard: pulumi.Output<"none" | "confirmed" | "reverted">
  /** What has to be done for the bridge to be as wanted again; empty as it should be. */
  declare readonly drift: pulumi.Output<string[]>

  constructor(name: string, args: BridgeArgs, options?: pulumi.CustomResourceOptions) {
    const inputs = { ...args, connection: sealConnection(args?.connection) }
    const outputs = {
      port: undefined,
      mac: undefined,
      addresses: undefined,
      manager: undefined,
      guard: undefined,
      drift: undefined,
    }
    super("xen:index:Bridge", name, { ...inputs, ...outputs }, options)
  }
}
