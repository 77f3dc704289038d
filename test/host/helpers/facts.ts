import type { HostFacts } from "../../../provider/host/facts/types.ts"

type Deep<T> = T extends readonly unknown[] ? T : T extends object ? { [K in keyof T]?: Deep<T[K]> } : T

const ROOT = "f6e0a3a4-0000-4000-8000-000000000001"
export const PLAIN_ENTRY = `gnulinux-simple-${ROOT}`
export const XEN_ENTRY = `xen-gnulinux-simple-${ROOT}`

/** A rented Debian machine, as it comes. */
const BARE: HostFacts = {
  user: { name: "root", root: true, sudo: true },
  hostname: "www1",
  machineId: "0123456789abcdef0123456789abcdef",
  clock: 1_795_000_000,
  os: {
    id: "debian",
    version: "12",
    prettyName: "Debian GNU/Linux 12 (bookworm)",
    family: "debian",
    architecture: "x86_64",
    kernel: "6.1.0-42-amd64",
  },
  packages: { manager: "apt", installed: {}, available: {}, held: [], xen: [], broken: [] },
  cpu: { count: 4, model: "Xeon", virtualisation: "vmx" },
  memory: { total: 8192, available: 7000 },
  boot: {
    firmware: "bios",
    loader: "grub",
    grub: {
      config: "/boot/grub/grub.cfg",
      directory: "/boot/grub",
      prefix: "grub",
      entries: [
        {
          id: PLAIN_ENTRY,
          title: "Debian GNU/Linux",
          xen: false,
          recovery: false,
          linux: "/boot/vmlinuz-6.1.0-42-amd64",
          options: "ro",
        },
      ],
      clearsNext: true,
      followsSaved: false,
      fixedDefault: "0",
      bls: false,
      environment: {},
      environmentWritable: true,
      defaults: { "/etc/default/grub": 'GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\n' },
    },
    bootFree: 4000,
    commandLine: "BOOT_IMAGE=/boot/vmlinuz-6.1.0-42-amd64 ro quiet",
    init: "systemd",
    bootId: "11111111-1111-4111-8111-111111111111",
    uptime: 100,
  },
  network: {
    manager: "ifupdown",
    evidence: "/run/network/ifstate holds eth0",
    active: ["ifupdown"],
    links: [
      { name: "lo", mac: "00:00:00:00:00:00", up: true, carrier: true, mtu: 65536, addresses: [] },
      {
        name: "eth0",
        mac: "52:54:00:00:00:01",
        up: true,
        carrier: true,
        mtu: 1500,
        addresses: [{ cidr: "46.43.42.130/25", family: 4, scope: "global", dynamic: false }],
      },
    ],
    routes: [
      { family: 4, destination: "default", gateway: "46.43.42.129", link: "eth0" },
      { family: 4, destination: "46.43.42.128/25", link: "eth0", protocol: "kernel" },
    ],
    dns: { servers: ["80.68.80.24"], search: [] },
    uplink: "eth0",
    files: {
      "/etc/network/interfaces":
        "source /etc/network/interfaces.d/*\nauto lo eth0\niface lo inet loopback\niface eth0 inet static\n    address 46.43.42.130/25\n    gateway 46.43.42.129\n",
    },
    networkdFiles: {},
    dhcpClientIds: {},
    profiles: {},
  },
  storage: { disks: [], volumeGroups: [], logicalVolumes: [], recordsFree: 9000 },
  nftables: true,
  watchdogs: [],
  guards: [],
  files: {},
  units: {},
}

/** The bare machine with what a case changes; lists are replaced whole. */
export function hostFacts(changes: Deep<HostFacts> = {}): HostFacts {
  return merge(BARE, changes) as HostFacts
}

function merge(base: unknown, changes: unknown): unknown {
  if (!isObject(base) || !isObject(changes)) return changes
  const merged: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(changes))
    merged[key] = key in base ? merge(base[key], value) : value
  return merged
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
