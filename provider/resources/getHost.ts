import { readFacts } from "../host/facts/probe.ts"
import type { HostFacts } from "../host/index.ts"
import {
  choice,
  flag,
  incidental,
  integer,
  type Known,
  list,
  map,
  number,
  object,
  optional,
  text,
} from "../rpc/declare.ts"
import { defineFunction } from "../rpc/resource.ts"
import { connection, type Hosts } from "./connection.ts"

const names = (description: string) => list(description, text("name"))

const os = object("operating system", "HostOs", {
  id: text("ID of os-release(5): debian, rocky, opensuse-leap"),
  version: text("VERSION_ID of os-release(5); empty on rolling releases"),
  prettyName: text("the name for people"),
  family: choice("distributions that share their tools and boot layout", ["debian", "el", "suse", "other"]),
  architecture: text("as uname -m says: x86_64"),
  kernel: text("release of the running kernel"),
})

const xen = object("the Xen that runs", "HostXen", {
  version: text("version with what the vendor appends"),
  controlDomain: flag("whether this is dom0 and may start domains"),
  capabilities: names("what domains may be: xen-3.0-x86_64, hvm-3.0-x86_64, …; empty like virtCaps"),
  virtCaps: names("pv, hvm, hap, …; empty where the toolstack does not answer"),
  commandLine: text("Xen's own command line"),
  totalMemory: optional(integer("MiB of the machine")),
  freeMemory: optional(integer("MiB that no domain holds")),
  dom0Memory: optional(integer("MiB that dom0 holds")),
  dom0Vcpus: optional(integer("virtual CPUs of dom0")),
  domains: names("domains other than dom0"),
})

const boot = object("how the machine boots", "HostBoot", {
  firmware: choice("firmware", ["bios", "uefi"]),
  loader: choice("boot loader", ["grub", "other"]),
  entries: names("entries of GRUB's menu, by title"),
  environmentWritable: flag("whether GRUB itself can write grubenv, which a one-shot boot needs"),
  free: integer("MiB free where /boot is"),
  init: choice("init system", ["systemd", "other"]),
  commandLine: text("the running kernel's command line"),
  bootId: text("changes with every boot"),
  uptime: number("seconds since the boot"),
})

const link = object("network interface", "HostLink", {
  name: text("name"),
  mac: text("MAC address"),
  up: flag("whether it is up"),
  mtu: integer("bytes"),
  kind: optional(text("bridge, vlan, bond, …; absent for hardware")),
  controller: optional(text("the bridge or bond that it is a port of")),
  addresses: names("addresses with their prefix length"),
})

const route = object("route", "HostRoute", {
  destination: text("default, or an address with its prefix length"),
  gateway: optional(text("address of the gateway; absent where the destination is on the link")),
  link: text("name of the interface"),
})

const network = object("the network", "HostNetwork", {
  manager: choice("what configures the uplink", ["ifupdown", "NetworkManager", "systemd-networkd", "other"]),
  evidence: text("what that was concluded from"),
  uplink: optional(text("the interface of the default route")),
  gateways: names("default gateways"),
  routes: list("routes of the main table, IPv4 and IPv6", route),
  dns: names("name servers"),
  links: list("interfaces", link),
})

const disk = object("block device", "HostDisk", {
  name: text("name, as lsblk(8) says it: sda1, guests-data"),
  size: number("bytes"),
  type: text("disk, part, lvm, crypt, raid1, loop, rom, …"),
  filesystem: optional(text("type of its file system, where one is known: ext4, swap, LVM2_member")),
  mountpoint: optional(text("where it is mounted")),
})

const volumeGroup = object("LVM volume group", "HostVolumeGroup", {
  name: text("name"),
  size: number("bytes"),
  free: number("bytes"),
})

const logicalVolume = object("LVM logical volume", "HostLogicalVolume", {
  group: text("name of its volume group"),
  name: text("name"),
  size: number("bytes"),
})

const outputs = {
  hostname: text("the name that the host gives itself"),
  machineId: text("machine-id(5)"),
  clock: integer("the host's clock: Unix seconds"),
  user: text("the login user"),
  root: flag("whether commands run as root, or sudo needs no password"),
  os,
  packageManager: optional(choice("what owns the package database", ["apt", "dnf", "yum", "zypper"])),
  packages: map("installed versions of Xen's packages and of those asked for", text("version")),
  availablePackages: map("what the repositories offer of these; only with `full`", text("version")),
  xen: optional(xen),
  cpus: integer("CPUs that the kernel sees"),
  cpuModel: text("model of the CPU"),
  virtualisation: optional(choice("hardware virtualisation; under Xen see virtCaps", ["vmx", "svm"])),
  memory: integer("MiB that the kernel manages: under Xen those of dom0"),
  boot,
  network,
  disks: list("block devices, partitions and volumes of some size", disk),
  volumeGroups: list("LVM volume groups; only with `full`", volumeGroup),
  logicalVolumes: list("LVM logical volumes; only with `full`", logicalVolume),
  nftables: flag("whether nft is there"),
} as const

/** Everything that is known of a host, in one round trip. */
export function getHost(hosts: Hosts) {
  return defineFunction({
    description:
      "The facts of a host, asked for in one round trip: system, Xen, memory, boot, network, disks.",
    inputs: {
      connection,
      packages: optional(incidental(names("packages whose versions are asked for, beside Xen's"))),
      full: optional(flag("whether to ask too for what takes the host seconds: repositories and LVM")),
    },
    outputs,
    async call(given, context) {
      const host = await hosts.connect(given.connection, context)
      const facts = await readFacts(host, {
        depth: given.full ? "full" : "quick",
        packages: given.packages ?? [],
        signal: context.signal,
      })
      return describe(facts)
    },
  })
}

/** The facts as programs get them: what decisions hang on, without the files that plans compare. */
function describe(facts: HostFacts): Known<typeof outputs> {
  const { user, packages, cpu } = facts
  return {
    hostname: facts.hostname,
    machineId: facts.machineId,
    clock: facts.clock,
    user: user.name,
    root: user.root || user.sudo,
    os: facts.os,
    ...(packages.manager && { packageManager: packages.manager }),
    packages: packages.installed,
    availablePackages: packages.available,
    ...(facts.xen && { xen: facts.xen }),
    cpus: cpu.count,
    cpuModel: cpu.model,
    ...(cpu.virtualisation && { virtualisation: cpu.virtualisation }),
    memory: facts.memory.total,
    boot: describeBoot(facts.boot),
    network: describeNetwork(facts.network),
    disks: facts.storage.disks,
    volumeGroups: facts.storage.volumeGroups,
    logicalVolumes: facts.storage.logicalVolumes,
    nftables: facts.nftables,
  }
}

function describeBoot({
  firmware,
  loader,
  grub,
  bootFree,
  init,
  commandLine,
  bootId,
  uptime,
}: HostFacts["boot"]) {
  const entries = grub?.entries.map(({ title }) => title) ?? []
  const environmentWritable = grub?.environmentWritable ?? false
  return { firmware, loader, entries, environmentWritable, free: bootFree, init, commandLine, bootId, uptime }
}

function describeNetwork({ manager, evidence, uplink, routes, dns, links }: HostFacts["network"]) {
  const gateways = routes.flatMap(({ destination, gateway }) =>
    destination === "default" && gateway ? [gateway] : [],
  )
  return {
    manager,
    evidence,
    ...(uplink && { uplink }),
    gateways: [...new Set(gateways)],
    routes: routes.map(({ destination, gateway, link }) => ({
      destination,
      ...(gateway && { gateway }),
      link,
    })),
    dns: dns.servers,
    links: links.map(({ name, mac, up, mtu, kind, controller, addresses }) => ({
      name,
      mac,
      up,
      mtu,
      ...(kind && { kind }),
      ...(controller && { controller }),
      addresses: addresses.map(({ cidr }) => cidr),
    })),
  }
}
