import { type ConnectionArgs, sealConnection } from "./connection.ts"
import * as pulumi from "./pulumi.ts"

export interface GetHostArgs {
  /** How the host is reached over SSH. */
  connection: ConnectionArgs
  /** Packages whose versions are asked for, beside Xen's. */
  packages?: string[]
  /** Whether to ask too for what takes the host seconds: repositories and LVM. Default: false. */
  full?: boolean
}

/** Operating system. */
export interface HostOs {
  /** ID of os-release(5): debian, rocky, opensuse-leap. */
  readonly id: string
  /** VERSION_ID of os-release(5); empty on rolling releases. */
  readonly version: string
  readonly prettyName: string
  /** Distributions that share their tools and boot layout. */
  readonly family: "debian" | "el" | "suse" | "other"
  /** As uname -m says: x86_64. */
  readonly architecture: string
  /** Release of the running kernel. */
  readonly kernel: string
}

/** The Xen that runs. */
export interface HostXen {
  readonly version: string
  /** Whether this is dom0 and may start domains. */
  readonly controlDomain: boolean
  /** What domains may be: xen-3.0-x86_64, hvm-3.0-x86_64, …; empty like `virtCaps`. */
  readonly capabilities: string[]
  /** pv, hvm, hap, …; empty where the toolstack does not answer. */
  readonly virtCaps: string[]
  /** Xen's own command line. */
  readonly commandLine: string
  /** MiB of the machine. */
  readonly totalMemory?: number
  /** MiB that no domain holds. */
  readonly freeMemory?: number
  /** MiB that dom0 holds. */
  readonly dom0Memory?: number
  readonly dom0Vcpus?: number
  /** Domains other than dom0, by name. */
  readonly domains: string[]
}

/** How the machine boots. */
export interface HostBoot {
  readonly firmware: "bios" | "uefi"
  readonly loader: "grub" | "other"
  /** Entries of GRUB's menu, by title. */
  readonly entries: string[]
  /** Whether GRUB itself can write grubenv, which a one-shot boot needs. */
  readonly environmentWritable: boolean
  /** MiB free where /boot is. */
  readonly free: number
  readonly init: "systemd" | "other"
  /** The running kernel's command line. */
  readonly commandLine: string
  /** Changes with every boot. */
  readonly bootId: string
  /** Seconds since the boot. */
  readonly uptime: number
}

/** Network interface. */
export interface HostLink {
  readonly name: string
  readonly mac: string
  readonly up: boolean
  readonly mtu: number
  /** bridge, vlan, bond, …; absent for hardware. */
  readonly kind?: string
  /** The bridge or bond that it is a port of. */
  readonly controller?: string
  /** Addresses with their prefix length. */
  readonly addresses: string[]
}

/** Route. */
export interface HostRoute {
  /** "default", or an address with its prefix length. */
  readonly destination: string
  /** Address of the gateway; absent where the destination is on the link. */
  readonly gateway?: string
  /** Name of the interface. */
  readonly link: string
}

export interface HostNetwork {
  /** What configures the uplink. */
  readonly manager: "ifupdown" | "NetworkManager" | "systemd-networkd" | "other"
  /** What that was concluded from. */
  readonly evidence: string
  /** The interface of the default route. */
  readonly uplink?: string
  /** Default gateways. */
  readonly gateways: string[]
  /** Routes of the main table, IPv4 and IPv6. */
  readonly routes: HostRoute[]
  /** Name servers. */
  readonly dns: string[]
  readonly links: HostLink[]
}

/** Block device. */
export interface HostDisk {
  /** As lsblk(8) says it: sda1, guests-data. */
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** disk, part, lvm, crypt, raid1, loop, rom, … */
  readonly type: string
  /** Type of its file system, where one is known: ext4, swap, LVM2_member. */
  readonly filesystem?: string
  /** Where it is mounted. */
  readonly mountpoint?: string
}

/** LVM volume group; sizes in bytes. */
export interface HostVolumeGroup {
  readonly name: string
  readonly size: number
  readonly free: number
}

/** LVM logical volume. */
export interface HostLogicalVolume {
  /** Name of its volume group. */
  readonly group: string
  readonly name: string
  /** Bytes. */
  readonly size: number
}

/** The facts of a host as it was when it answered. Memory in MiB. */
export interface GetHostResult {
  readonly hostname: string
  /** machine-id(5). */
  readonly machineId: string
  /** The host's clock: Unix seconds. */
  readonly clock: number
  /** The login user. */
  readonly user: string
  /** Whether commands run as root, or sudo needs no password. */
  readonly root: boolean
  readonly os: HostOs
  readonly packageManager?: "apt" | "dnf" | "yum" | "zypper"
  /** Installed versions of Xen's packages and of those asked for. */
  readonly packages: { [name: string]: string }
  /** What the repositories offer of these; only with `full`. */
  readonly availablePackages: { [name: string]: string }
  /** Absent where no Xen runs. */
  readonly xen?: HostXen
  /** CPUs that the kernel sees. */
  readonly cpus: number
  readonly cpuModel: string
  /** Hardware virtualisation; under Xen see `xen.virtCaps`. */
  readonly virtualisation?: "vmx" | "svm"
  /** MiB that the kernel manages: under Xen those of dom0. */
  readonly memory: number
  readonly boot: HostBoot
  readonly network: HostNetwork
  /** Block devices, partitions and volumes of some size. */
  readonly disks: HostDisk[]
  /** LVM volume groups; only with `full`. */
  readonly volumeGroups: HostVolumeGroup[]
  /** LVM logical volumes; only with `full`. */
  readonly logicalVolumes: HostLogicalVolume[]
  /** Whether nft is there. */
  readonly nftables: boolean
}

/** Asks a host for all that decisions hang on, in one round trip. Nothing on the host is changed. */
export function getHost(args: GetHostArgs, options?: pulumi.InvokeOptions): Promise<GetHostResult> {
  return pulumi.runtime.invoke("xen:index:getHost", sealed(args), options)
}

/** The same for a connection that another resource makes. */
export function getHostOutput(
  args: {
    connection: pulumi.Input<ConnectionArgs>
    packages?: pulumi.Input<string[]>
    full?: pulumi.Input<boolean>
  },
  options?: pulumi.InvokeOutputOptions,
): pulumi.Output<GetHostResult> {
  return pulumi.runtime.invokeOutput("xen:index:getHost", sealed(args), options)
}

function sealed(args: { connection: pulumi.Input<ConnectionArgs> }): pulumi.Inputs {
  return { ...args, connection: sealConnection(args.connection) }
}
