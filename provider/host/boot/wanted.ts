import type { HostFacts } from "../facts/types.ts"

/** dom0 as it is asked for. */
export interface Dom0Wanted {
  /** MiB, fixed: dom0 neither grows nor shrinks. */
  readonly memory: number
  /** Default: all CPUs. */
  readonly vcpus?: number
  /** Words for Xen's command line beside these: "loglvl=all". */
  readonly xenOptions?: readonly string[]
  /** Words for dom0's kernel, beside what plain Linux is given. */
  readonly linuxOptions?: readonly string[]
  /** Guests' consoles are logged from the first byte, and rotated. Default true. */
  readonly consoleLog?: boolean
  /** Xen restarts the machine when dom0 hangs for two minutes. Default true. */
  readonly watchdog?: boolean
  /** Hardware virtualisation must be there (PVH and HVM guests). Default false: PV guests need none. */
  readonly hvm?: boolean
  /** Seconds after a trial boot in which a fresh connection must confirm it. Default 300. */
  readonly window?: number
  /** `refuse`: what needs a restart is refused. Default `allow`. */
  readonly reboot?: "allow" | "refuse"
}

/** Xen's command line (docs/misc/xen-command-line.pandoc of Xen). */
export function xenOptions({ memory, vcpus, xenOptions = [] }: Dom0Wanted): string[] {
  return [
    `dom0_mem=${memory}M,max:${memory}M`,
    ...(vcpus === undefined ? [] : [`dom0_max_vcpus=${vcpus}`]),
    ...xenOptions,
  ]
}

/**
 * dom0's kernel must restart the machine where it would otherwise wait at a console that nobody sees: after a
 * panic, and when it does not find its root file system. `panic` is read by the kernel and by Debian's
 * initramfs-tools(7); dracut.cmdline(7) has its own words.
 */
export function linuxOptions(facts: HostFacts, { linuxOptions = [] }: Dom0Wanted): string[] {
  const dracut = facts.os.family === "debian" ? [] : ["rd.shell=0", "rd.emergency=reboot"]
  return ["panic=30", ...dracut, ...linuxOptions]
}
