import {
  Bridge,
  type BridgeArgs,
  type ConnectionArgs,
  Dom0,
  type Dom0Args,
  Packages,
  type PackagesArgs,
} from "../sdk/index.ts"
import * as pulumi from "../sdk/pulumi.ts"

/** A machine to become a Xen host: how it is reached, and what it is to be. An entry of the inventory. */
export interface XenHostArgs extends ConnectionArgs {
  /** The interface that carries the host's address, and becomes the port of its bridge. */
  uplink: pulumi.Input<string>
  /** Name of the bridge for the domains. Default: xenbr0. */
  bridge?: pulumi.Input<string>
  /** What the host has on the bridge. Default: all that the uplink has. */
  addressing?: BridgeArgs["addressing"]
  /** Addresses of the host beside these, with their prefix length. */
  extraAddresses?: pulumi.Input<pulumi.Input<string>[]>
  /** Seconds in which the host must answer again after a change of its network. Default: 60. */
  window?: BridgeArgs["window"]
  /** More bridges by name: isolated ones, or on a VLAN of the uplink. */
  bridges?: { [name: string]: Omit<BridgeArgs, "connection" | "name"> }
  /** MiB for dom0. Default: 1024. */
  memory?: pulumi.Input<number>
  /** Words that Xen needs on its command line on this machine. */
  xenOptions?: pulumi.Input<pulumi.Input<string>[]>
  /** How else dom0 is to be. */
  dom0?: Omit<Dom0Args, "connection" | "memory" | "xenOptions" | "packages">
  /** Packages and repositories beside Xen. */
  packages?: Omit<PackagesArgs, "connection" | "xen">
}

export interface XenHostOptions extends pulumi.ComponentResourceOptions {
  /** Hosts that must be done, and healthy, before this one is touched: a rolling update. */
  after?: pulumi.Input<pulumi.Resource> | pulumi.Input<pulumi.Resource>[]
}

/**
 * A Xen host out of a machine that has an SSH address: Xen's packages, bridges, dom0, the restart, and the proof that it
 * runs. A machine that does not come up as a Xen host comes back as what it was.
 */
export class XenHost extends pulumi.ComponentResource {
  /** How the host is reached, once it is a Xen host: what lives on it depends on that by using this. */
  readonly connection: pulumi.Output<ConnectionArgs>
  /** The bridge for the domains. */
  readonly bridge: pulumi.Output<string>
  /** The other bridges, by name. */
  readonly bridges: pulumi.Output<string[]>
  /** Version of the Xen that runs. */
  readonly xenVersion: pulumi.Output<string>
  /** What guests it can run: `pv`, `hvm`, `hap`, … */
  readonly virtCaps: pulumi.Output<string[]>
  /** MiB beside dom0's, for guests and Xen itself. */
  readonly guestMemory: pulumi.Output<number>

  constructor(name: string, args: XenHostArgs, { after, ...options }: XenHostOptions = {}) {
    super("xen:index:XenHost", name, {}, options)
    const following = (before: XenHostOptions["after"]) => ({
      parent: this,
      ...(before !== undefined && { dependsOn: before }),
    })

    const wanted = partsOf(args)
    const packages = new Packages(name, wanted.packages, following(after))
    const bridge = new Bridge(name, wanted.bridge, following(packages))
    const others = wanted.bridges.map(other => new Bridge(`${name}-${other.name}`, other, following(bridge)))
    const installed = { ...wanted.dom0, packages: packages.versions }
    const dom0 = new Dom0(name, installed, following([bridge, ...others]))

    this.connection = dom0.machineId.apply(() => connectionOf(args))
    this.bridge = bridge.name
    this.bridges = pulumi.all(others.map(other => other.name))
    this.xenVersion = dom0.xenVersion
    this.virtCaps = dom0.virtCaps
    this.guestMemory = dom0.guestMemory
    const { bridge: main, bridges, xenVersion, virtCaps, guestMemory } = this
    this.registerOutputs({ bridge: main, bridges, xenVersion, virtCaps, guestMemory })
  }
}

/** The arguments of a host's resources, in the order in which they are made. */
export interface XenHostParts {
  readonly packages: PackagesArgs
  readonly bridge: BridgeArgs
  readonly bridges: readonly (BridgeArgs & { name: string })[]
  readonly dom0: Dom0Args
}

/** What a host consists of, for the component that makes it and the runbook that tells how it is made. */
export function partsOf(args: XenHostArgs): XenHostParts {
  const connection = connectionOf(args)
  const { uplink, bridge = "xenbr0", addressing, extraAddresses, window, memory = 1024, xenOptions } = args
  return {
    packages: { ...args.packages, connection, xen: true },
    bridge: {
      connection,
      name: bridge,
      uplink,
      ...(addressing !== undefined && { addressing }),
      ...(extraAddresses !== undefined && { extraAddresses }),
      ...(window !== undefined && { window }),
    },
    bridges: Object.entries(args.bridges ?? {}).map(([name, other]) => ({ ...other, connection, name })),
    dom0: { ...args.dom0, connection, memory, ...(xenOptions !== undefined && { xenOptions }) },
  }
}

/** All of them, as the compiler sees to it. */
const connectionKeys = Object.keys({
  host: 0,
  port: 0,
  user: 0,
  privateKey: 0,
  privateKeyPath: 0,
  passphrase: 0,
  password: 0,
  agent: 0,
  hostKey: 0,
  knownHosts: 0,
  hostKeyPolicy: 0,
  via: 0,
  sshConfig: 0,
  sudo: 0,
  sudoPassword: 0,
  connectTimeout: 0,
} satisfies Record<keyof ConnectionArgs, 0>) as (keyof ConnectionArgs)[]

/** An inventory's entry may say more of a machine than how it is reached. */
function connectionOf(args: XenHostArgs): ConnectionArgs {
  const given = connectionKeys.filter(key => args[key] !== undefined)
  return Object.fromEntries(given.map(key => [key, args[key]])) as unknown as ConnectionArgs
}
