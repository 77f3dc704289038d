import { type ConnectionArgs, sealConnection } from "./connection.ts"
import * as pulumi from "./pulumi.ts"

export interface Dom0Args {
  /** How the host is reached over SSH. */
  connection: pulumi.Input<ConnectionArgs>
  /** MiB for dom0, fixed: it neither grows nor shrinks. */
  memory: pulumi.Input<number>
  /** Virtual CPUs of dom0. Default: all. */
  vcpus?: pulumi.Input<number>
  /** Words for Xen's command line beside these, such as `loglvl=all`. */
  xenOptions?: pulumi.Input<pulumi.Input<string>[]>
  /** Words for dom0's kernel beside what plain Linux is given. */
  linuxOptions?: pulumi.Input<pulumi.Input<string>[]>
  /** Whether the guests' consoles are logged, from the first byte, with rotation. Default: true. */
  consoleLog?: pulumi.Input<boolean>
  /** Whether Xen restarts the machine when dom0 hangs for two minutes. Default: true. */
  watchdog?: pulumi.Input<boolean>
  /**
   * The versions of `Packages`: when they change, the host is asked whether another Xen was installed than the one that
   * runs, which needs a restart.
   */
  packages?: pulumi.Input<{ [name: string]: pulumi.Input<string> }>
  /** Whether PVH and HVM guests must be possible, which needs VT-x or AMD-V. Default: false. */
  hvm?: pulumi.Input<boolean>
  /** Seconds after a trial boot in which the host must answer. Default: 300. */
  window?: pulumi.Input<number>
  /** `refuse`: what needs a restart is refused, and nothing is changed. Default: `allow`. */
  reboot?: pulumi.Input<"allow" | "refuse">
}

/**
 * Xen on a machine, with its control domain. The machine boots Xen on trial: until a fresh connection has seen it run
 * as wanted, the boot after that is the old one.
 */
export class Dom0 extends pulumi.CustomResource {
  /** machine-id(5) of the host. */
  declare readonly machineId: pulumi.Output<string>
  /** The boot in which Xen was proven. */
  declare readonly bootId: pulumi.Output<string>
  /** Version of the Xen that runs. */
  declare readonly xenVersion: pulumi.Output<string>
  /** What guests it can run: `pv`, `hvm`, `hap`, … */
  declare readonly virtCaps: pulumi.Output<string[]>
  /** MiB of the machine. */
  declare readonly totalMemory: pulumi.Output<number>
  /** MiB beside dom0's, for guests and Xen itself. */
  declare readonly guestMemory: pulumi.Output<number>
  /** How the guard of the last change ended; `none` where no restart was needed. */
  declare readonly guard: pulumi.Output<"none" | "confirmed" | "reverted">
  /** What has to be done for dom0 to be as wanted again; empty as it should be. */
  declare readonly drift: pulumi.Output<string[]>

  constructor(name: string, args: Dom0Args, options?: pulumi.CustomResourceOptions) {
    const inputs = { ...args, connection: sealConnection(args?.connection) }
    const outputs = {
      machineId: undefined,
      bootId: undefined,
      xenVersion: undefined,
      virtCaps: undefined,
      totalMemory: undefined,
      guestMemory: undefined,
      guard: undefined,
      drift: undefined,
    }
    super("xen:index:Dom0", name, { ...inputs, ...outputs }, options)
  }
}
