import type { XenHostArgs } from "../../components/xenHost.ts"
import type { Address, BootEntry, HostFacts, NetworkFacts, Unknown } from "../../provider/host/index.ts"

const INTERFACES = "/etc/network/interfaces"
const ROOT = "UUID-OF-ROOT"
const macOf = (uplink: string) => `MAC-OF-${uplink}`

/** What stands in these facts for what only the machine knows. */
export function bareUnknowns({ uplink }: XenHostArgs): Unknown[] {
  return [
    // As GRUB's own 10_linux and 20_linux_xen make the ids of their entries.
    { placeholder: ROOT, command: "grub-probe --target=fs_uuid /" },
    { placeholder: macOf(String(uplink)), command: `cat /sys/class/net/${uplink}/address` },
  ]
}

/** What a reader must compare with the machine before anything is done. */
export function bareAssumptions(args: XenHostArgs): string {
  const { packages, os, network } = bareFacts(args)
  return `The machine was not asked. It is taken for ${os.prettyName} as it was rented, with GRUB, ${packages.manager} and ${network.manager}, and
this \`${INTERFACES}\`:

\`\`\`
${network.files[INTERFACES]!.trimEnd()}
\`\`\`

Where yours says more, carry that over into the new files, or let the machine be asked (without \`--bare\`). What a
later \`pulumi up\` reads, below \`/var/lib/pulumi-xen\`, is to be left out then: it says how the machine was.`
}

/** Debian's entry of the menu, by the id that GRUB's scripts give it. */
const entry = (xen: boolean): BootEntry => ({
  id: `${xen ? "xen-" : ""}gnulinux-simple-${ROOT}`,
  title: `Debian GNU/Linux${xen ? ", with Xen hypervisor" : ""}`,
  xen,
  recovery: false,
  linux: "/boot/vmlinuz",
})

/** The few things that a runbook for a machine which nobody has asked must assume. */
const menu = {
  config: "/boot/grub/grub.cfg",
  directory: "/boot/grub",
  prefix: "grub",
  entries: [entry(false)],
  clearsNext: true,
  followsSaved: false,
  bls: false,
  environment: {},
  environmentWritable: true,
  defaults: {},
} as const

/** Facts of a machine as it was rented: Debian 12 with GRUB, and ifupdown in charge of the uplink. */
export function bareFacts(args: XenHostArgs): HostFacts {
  return {
    user: { name: "root", root: true, sudo: true },
    hostname: "",
    machineId: "",
    clock: 0,
    os: {
      id: "debian",
      version: "12",
      prettyName: "Debian GNU/Linux 12 (bookworm)",
      family: "debian",
      architecture: "x86_64",
      kernel: "",
    },
    packages: { manager: "apt", installed: {}, available: {}, held: [], xen: [], broken: [] },
    cpu: { count: 1, model: "" },
    memory: { total: 16_384, available: 16_384 },
    boot: {
      firmware: "bios",
      loader: "grub",
      grub: menu,
      bootFree: 1024,
      commandLine: "",
      init: "systemd",
      bootId: "",
      uptime: 0,
    },
    network: bareNetwork(args),
    storage: { disks: [], volumeGroups: [], logicalVolumes: [], recordsFree: 1024 },
    nftables: false,
    watchdogs: [],
    guards: [],
    files: {},
    units: {},
  }
}

/** The uplink has what the inventory says of it, or DHCP where it says nothing. */
function bareNetwork({ uplink, addressing }: XenHostArgs): NetworkFacts {
  const name = String(uplink)
  const asked = addressing as { ipv4?: Family; ipv6?: Family } | string | undefined
  const families = typeof asked === "object" ? [asked.ipv4 ?? {}, asked.ipv6 ?? {}] : []
  const [four, six] = ([4, 6] as const).map((family, at) => {
    const { addresses = [], gateway } = families[at] ?? {}
    return { family, addresses, gateway }
  })
  const parts = [four!, six!]
  return {
    manager: "ifupdown",
    evidence: "assumed",
    active: ["ifupdown"],
    links: [
      {
        name,
        mac: macOf(name),
        up: true,
        carrier: true,
        mtu: 1500,
        addresses: parts.flatMap(({ family, addresses }) =>
          addresses.map((cidr): Address => ({ cidr, family, scope: "global", dynamic: false })),
        ),
      },
    ],
    routes: parts.flatMap(({ family, gateway }) =>
      gateway === undefined ? [] : [{ family, destination: "default", gateway, link: name }],
    ),
    dns: { servers: [], search: [] },
    uplink: name,
    files: { [INTERFACES]: interfaces(name, parts) },
    networkdFiles: {},
    dhcpClientIds: {},
    profiles: {},
  }
}

interface Family {
  readonly addresses?: readonly string[]
  readonly gateway?: string | undefined
}

function interfaces(name: string, families: readonly (Family & { family: 4 | 6 })[]): string {
  const stanzas = families.flatMap(({ family, addresses = [], gateway }) =>
    addresses.map((address, at) =>
      [
        `iface ${name} ${family === 4 ? "inet" : "inet6"} static`,
        `    address ${address}`,
        ...(gateway !== undefined && at === 0 ? [`    gateway ${gateway}`] : []),
      ].join("\n"),
    ),
  )
  const all = stanzas.length > 0 ? stanzas : [`iface ${name} inet dhcp`]
  return `${["auto lo", "iface lo inet loopback", "", `auto ${name}`, ...all].join("\n")}\n`
}
