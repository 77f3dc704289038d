import type { NetworkFacts } from "./networkTypes.ts"

export type { Address, Link, NetworkFacts, NetworkManagerName, Route } from "./networkTypes.ts"

/** Families that share their package tools and their boot layout. */
export type Family = "debian" | "el" | "suse" | "other"

export interface OsFacts {
  /** os-release(5) `ID`: "debian", "centos", "opensuse-leap". */
  readonly id: string
  /** os-release(5) `VERSION_ID`; empty on rolling releases. */
  readonly version: string
  readonly prettyName: string
  readonly family: Family
  /** uname(1) -m: "x86_64". */
  readonly architecture: string
  /** uname(1) -r. */
  readonly kernel: string
}

export type PackageManager = "apt" | "dnf" | "yum" | "zypper"

export interface XenPackage {
  readonly name: string
  /** Version as the package tool writes it; absent when it is not installed. */
  readonly installed?: string
  /** Version that the repositories offer; absent when none does. */
  readonly available?: string
}

export interface PackageFacts {
  /** The tool that owns this host's package database; absent when none was found. */
  readonly manager?: PackageManager
  /** Versions of Xen's packages and of those asked for, by name. */
  readonly installed: Readonly<Record<string, string>>
  /** What the repositories offer of these; empty unless the facts are `full`. */
  readonly available: Readonly<Record<string, string>>
  /** Packages marked as held (apt-mark(8)). */
  readonly held: readonly string[]
  /** Xen's packages, installed or on offer. */
  readonly xen: readonly XenPackage[]
  /** Whether a run has fetched the lists of what the repositories offer since it asked for these facts. */
  readonly fetched?: boolean
  /** Packages that are half installed or half configured (dpkg --audit, rpm transaction left open). */
  readonly broken: readonly string[]
}

/** A running Xen, as dom0 sees it. */
export interface XenFacts {
  /** "4.17.7" with what the vendor appends. */
  readonly version: string
  /** /proc/xen/capabilities holds `control_d`: this is dom0, and the toolstack may work. */
  readonly controlDomain: boolean
  /** "xen-3.0-x86_64 hvm-3.0-x86_64 …". */
  readonly capabilities: readonly string[]
  /** "pv", "hvm", "hap", "pv_directio"…; empty when the toolstack does not answer. */
  readonly virtCaps: readonly string[]
  readonly commandLine: string
  /** Hypervisor images in /boot that were written since the machine has booted, and are not the one that runs. */
  readonly replaced: readonly string[]
  /** MiB of the machine, and those that no domain holds. */
  readonly totalMemory?: number
  readonly freeMemory?: number
  /** MiB that dom0 holds now. */
  readonly dom0Memory?: number
  readonly dom0Vcpus?: number
  /** Domains other than dom0, by name. */
  readonly domains: readonly string[]
}

export interface CpuFacts {
  readonly count: number
  readonly model: string
  /** "vmx" (Intel) or "svm" (AMD) as the flags show them; under Xen read `xen.virtCaps` instead. */
  readonly virtualisation?: "vmx" | "svm"
}

export interface MemoryFacts {
  /** MiB that this kernel manages: under Xen, those of dom0. */
  readonly total: number
  readonly available: number
}

/** One entry of GRUB's menu. `id` is the path GRUB accepts as default: "submenu-id>entry-id". */
export interface BootEntry {
  readonly id: string
  readonly title: string
  readonly xen: boolean
  readonly recovery: boolean
  /** Hypervisor image of the entry, as grub.cfg names it. */
  readonly hypervisor?: string
  /** Linux image of the entry, as grub.cfg names it. */
  readonly linux?: string
  /** Kernel options of the entry. */
  readonly options?: string
}

export interface GrubFacts {
  /** Where the menu is: "/boot/grub/grub.cfg" or "/boot/grub2/grub.cfg". */
  readonly config: string
  readonly directory: string
  /** How commands are spelt here: "grub" (Debian) or "grub2" (EL, SUSE). */
  readonly prefix: "grub" | "grub2"
  readonly entries: readonly BootEntry[]
  /** The menu clears `next_entry` by itself: without that a one-shot boot is for ever. */
  readonly clearsNext: boolean
  /** The menu follows `saved_entry`: `GRUB_DEFAULT=saved` has taken effect. */
  readonly followsSaved: boolean
  /** The fixed default of the menu when it does not. */
  readonly fixedDefault?: string
  /** Boot Loader Specification entries are used for Linux (EL 8 and later). */
  readonly bls: boolean
  readonly environment: Readonly<Record<string, string>>
  /** grubenv can be written *by GRUB at boot* (plain file on a plain file system); otherwise why not. */
  readonly environmentWritable: boolean
  readonly environmentProblem?: string
  /** /etc/default/grub and /etc/default/grub.d/*.cfg by path. */
  readonly defaults: Readonly<Record<string, string>>
}

export interface BootFacts {
  readonly firmware: "bios" | "uefi"
  readonly loader: "grub" | "other"
  readonly grub?: GrubFacts
  /** MiB free where /boot is. */
  readonly bootFree: number
  /** The running kernel's own command line. */
  readonly commandLine: string
  readonly init: "systemd" | "other"
  readonly bootId: string
  readonly uptime: number
}

export interface DiskFacts {
  readonly name: string
  readonly size: number
  readonly type: string
  readonly mountpoint?: string
  readonly filesystem?: string
}

export interface VolumeGroup {
  readonly name: string
  readonly size: number
  readonly free: number
}

export interface LogicalVolume {
  readonly group: string
  readonly name: string
  readonly size: number
}

export interface StorageFacts {
  /** Sizes in bytes. */
  readonly disks: readonly DiskFacts[]
  readonly volumeGroups: readonly VolumeGroup[]
  readonly logicalVolumes: readonly LogicalVolume[]
  /** MiB free where the records lie. */
  readonly recordsFree: number
}

/** What a guard did or is doing. */
export type GuardState = "armed" | "reverting" | "reverted" | "confirmed"

export interface GuardFacts {
  readonly name: string
  readonly state: GuardState
  readonly token: string
  /** What it guards, for people. */
  readonly title: string
  /** Unix seconds of the state's change. */
  readonly since: number
  /** Unix seconds at which it reverts. */
  readonly deadline: number
  /** What it has done, oldest first. */
  readonly log: readonly string[]
}

/** Everything that is asked of a host, in one round trip. */
export interface HostFacts {
  readonly user: { readonly name: string; readonly root: boolean; readonly sudo: boolean }
  readonly hostname: string
  readonly machineId: string
  /** Unix seconds of the host's clock when it answered. */
  readonly clock: number
  readonly os: OsFacts
  readonly packages: PackageFacts
  readonly xen?: XenFacts
  readonly cpu: CpuFacts
  readonly memory: MemoryFacts
  readonly boot: BootFacts
  readonly network: NetworkFacts
  readonly storage: StorageFacts
  readonly nftables: boolean
  /** /dev/watchdog devices with what drives them. */
  readonly watchdogs: readonly { readonly device: string; readonly identity: string }[]
  /** Guards on this host, armed or done. */
  readonly guards: readonly GuardFacts[]
  /** Small files that plans compare with, by path; a path that is not there is absent. */
  readonly files: Readonly<Record<string, string>>
  /** systemd units that plans compare with, by name: `UnitFileState` and `ActiveState` of systemctl(1). */
  readonly units: Readonly<Record<string, { readonly enabled: string; readonly active: string }>>
}
