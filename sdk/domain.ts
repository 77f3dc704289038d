import { type ConnectionArgs, sealConnection } from "./connection.ts"
import type { BootKind } from "./kernel.ts"
import * as pulumi from "./pulumi.ts"

/** A network interface of a domain. */
export interface DomainNetworkArgs {
  /** Bridge of the host that it joins. */
  bridge: pulumi.Input<string>
  /** Default: derived from the domain's name, and the same for ever. */
  mac?: pulumi.Input<string>
  /** The kernel's own name for it: X of `@NETWORK:X@` in a skeleton. */
  name?: pulumi.Input<string>
}

/** A disk of a domain. */
export interface DomainDiskArgs {
  /** File or block device on the host, as `Disk.path` gives it. */
  path: pulumi.Input<string>
  /** What the guest sees it as: `xvda`, `xvdb`, … */
  vdev: pulumi.Input<string>
  /** What the guest may do. Default: `ro`. */
  access?: pulumi.Input<"ro" | "rw">
  /** What is in the file. Default: `raw`. */
  format?: pulumi.Input<"raw" | "qcow" | "qcow2" | "vhd" | "qed">
  /** The kernel's own name for it: X of `@BLOCK:X@` in a skeleton. */
  name?: pulumi.Input<string>
  /** Of its content, where the path stays when the content changes: another content is another generation. */
  digest?: pulumi.Input<string>
}

/** A request over HTTP that must be answered. */
export interface DomainHealthHttpArgs {
  /** Default: 80. */
  port?: pulumi.Input<number>
  /** Default: `/`. */
  path?: pulumi.Input<string>
  /** Default: 200. */
  status?: pulumi.Input<number>
  /** Regular expression that the body must match. */
  body?: pulumi.Input<string>
}

/** A connection that must be accepted. */
export interface DomainHealthTcpArgs {
  port: pulumi.Input<number>
}

/** When a domain counts as healthy: all that is given must hold, at every address. */
export interface DomainHealthArgs {
  http?: pulumi.Input<DomainHealthHttpArgs>
  tcp?: pulumi.Input<DomainHealthTcpArgs>
  /** Whether it must answer a ping. */
  ping?: pulumi.Input<boolean>
  /** Regular expression that its console must match. */
  console?: pulumi.Input<string>
  /** Seconds after which it must still run. Default: 3. */
  settle?: pulumi.Input<number>
  /** Seconds between two looks. Default: 0.5. */
  interval?: pulumi.Input<number>
  /** Seconds until all must hold. Default: 60. */
  timeout?: pulumi.Input<number>
}

export interface DomainArgs {
  /** How the host is reached over SSH. */
  connection: pulumi.Input<ConnectionArgs>
  /** Name of the domain, unique on its host. */
  name: pulumi.Input<string>
  /** The kernel's file on the host, as `Kernel.path` gives it, or its digest in the store. */
  kernel?: pulumi.Input<string>
  /** Ways in which Xen can start the kernel, as `Kernel.kinds` gives them: the type follows from them. */
  kinds?: pulumi.Input<pulumi.Input<BootKind>[] | undefined>
  /** Skeleton of the configuration: a file NAME.xl.in, NAME.xl.hbs or NAME.xl, or an asset. */
  skeleton?: pulumi.Input<string | pulumi.asset.Asset>
  /** What the kernel's build says of its devices, NAME.xl.in or a manifest.json of Solo5: each of them must be there. */
  expects?: pulumi.Input<string>
  /** Values of the skeleton's variables beside those that are known. */
  variables?: pulumi.Input<{ [name: string]: pulumi.Input<string | number> }>
  /** Kind of guest. Default: what the skeleton says, else what the kernel can be. */
  type?: pulumi.Input<"pv" | "pvh" | "hvm">
  /** MiB. Default: what the skeleton says, else 32. */
  memory?: pulumi.Input<number>
  /** MiB that it can get without a restart. Default: `memory`. */
  maxmem?: pulumi.Input<number>
  /** Virtual CPUs. Default: 1. */
  vcpus?: pulumi.Input<number>
  /** Virtual CPUs that it can get without a restart. Default: `vcpus`. */
  maxvcpus?: pulumi.Input<number>
  /** Arguments of the kernel, one by one; they are quoted where they need it. */
  arguments?: pulumi.Input<pulumi.Input<string>[]>
  /** Network interfaces, in their order. */
  networks?: pulumi.Input<pulumi.Input<DomainNetworkArgs>[]>
  disks?: pulumi.Input<pulumi.Input<DomainDiskArgs>[]>
  /** Further keys of xl.cfg(5). */
  config?: pulumi.Input<{
    [key: string]: pulumi.Input<string | number | boolean | pulumi.Input<string>[]>
  }>
  /** The whole configuration, in the place of a skeleton. Default: computed from the rest. */
  configuration?: pulumi.Input<string>
  /** An earlier generation that the host's store still has: it serves again, whatever else is given. */
  generation?: pulumi.Input<string>
  /** Addresses that the domain will have, for the health check and the switch: `192.0.2.7/24`. */
  addresses?: pulumi.Input<pulumi.Input<string>[]>
  /** Its gateways, whose place is taken while it is checked apart. */
  gateways?: pulumi.Input<pulumi.Input<string>[]>
  /** When it counts as healthy. Default: when it still runs after three seconds. */
  health?: pulumi.Input<DomainHealthArgs>
  /**
   * How an update is made. `swap`: both generations run, the new one is checked apart, no request is lost. `recreate`: stop,
   * start, check, and back if the check fails. Default: swap where it can be.
   */
  strategy?: pulumi.Input<"swap" | "recreate">
  /** Seconds for connections that are open at a switch. Default: 10. */
  drain?: pulumi.Input<number>
  /** Seconds after a switch in which the old generation can come back. Default: 10. */
  probation?: pulumi.Input<number>
  /** Seconds for a graceful shutdown; then it is destroyed. Default: 30. */
  shutdownTimeout?: pulumi.Input<number>
  /** Whether it starts with its host. Default: true. */
  autostart?: pulumi.Input<boolean>
  /** Its place in the order of starts. Default: 100. */
  order?: pulumi.Input<number>
  /** Generations that the host's store keeps. Default: 5. */
  keep?: pulumi.Input<number>
}

/**
 * A domain of a Xen host. Another kernel, configuration or disk is a new generation: it is checked before it serves, and
 * what served before comes back when it fails.
 */
export class Domain extends pulumi.CustomResource {
  declare readonly name: pulumi.Output<string>
  /** What serves: the first 12 hexadecimal digits of its configuration's and disks' SHA-256. */
  declare readonly generation: pulumi.Output<string>
  /** UUID of the running domain. */
  declare readonly uuid: pulumi.Output<string | undefined>
  /** SHA-256 of the configuration. */
  declare readonly configurationDigest: pulumi.Output<string>
  /** SHA-256 of the kernel's file on the host. */
  declare readonly kernelDigest: pulumi.Output<string | undefined>
  /** MAC addresses, in the order of the interfaces. */
  declare readonly macs: pulumi.Output<string[]>
  /** Addresses that it has. */
  declare readonly addresses: pulumi.Output<string[]>
  /** How its last change was made. */
  declare readonly strategy: pulumi.Output<"none" | "create" | "live" | "swap" | "recreate">
  /** Its console, as a file on the host. */
  declare readonly consoleLog: pulumi.Output<string>
  /** What it does. */
  declare readonly state: pulumi.Output<"running" | "paused" | "shutdown" | "crashed" | "dying" | "gone">
  /** How it differs from what it should be; empty as it should be. */
  declare readonly drift: pulumi.Output<string[]>

  constructor(name: string, args: DomainArgs, options?: pulumi.CustomResourceOptions) {
    const inputs = { ...args, connection: sealConnection(args?.connection) }
    const outputs = {
      generation: undefined,
      addresses: undefined,
      strategy: undefined,
      uuid: undefined,
      configurationDigest: undefined,
      kernelDigest: undefined,
      macs: undefined,
      consoleLog: undefined,
      state: undefined,
      drift: undefined,
    }
    super("xen:index:Domain", name, { ...outputs, ...inputs }, options)
  }
}
