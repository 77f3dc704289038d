import { parseDisks } from "./disks.ts"
import { grubEnvironmentProblem, parseBlsEntry, parseGrubEnvironment, parseGrubMenu } from "./grub.ts"
import { parseNetwork } from "./network.ts"
import { familyOf, parseOsRelease, parsePackages } from "./packages.ts"
import { lines, parseFields, parseSections, type Sections, valueIn } from "./sections.ts"
import type {
  BootFacts,
  CpuFacts,
  GrubFacts,
  GuardFacts,
  GuardState,
  HostFacts,
  StorageFacts,
} from "./types.ts"
import { parseUnits } from "./units.ts"
import { parseXen } from "./xen.ts"

/** Turns the output of probe.sh into facts. Pure: the same text gives the same facts. */
export function parseFacts(host: string, mark: string, output: string): HostFacts {
  const sections = parseSections(host, mark, output)
  const identity = parseFields(sections.get("identity") ?? "")
  const release = parseOsRelease(sections)
  const family = familyOf(release.ID ?? "", release.ID_LIKE ?? "")
  const memory = parseFields(valueIn(sections, "/proc/meminfo") ?? "", /:/)
  const xen = parseXen(sections)
  const boot = parseBoot(sections, identity)
  return {
    user: { name: identity.user ?? "", root: identity.uid === "0", sudo: identity.sudo === "yes" },
    hostname: valueIn(sections, "/proc/sys/kernel/hostname") ?? "",
    machineId: valueIn(sections, "/etc/machine-id") ?? "",
    clock: Number(sections.get("clock")),
    os: {
      id: release.ID ?? "",
      version: release.VERSION_ID ?? "",
      prettyName: release.PRETTY_NAME ?? release.NAME ?? "",
      family,
      architecture: valueIn(sections, "/proc/sys/kernel/arch") ?? identity.architecture ?? "",
      kernel: valueIn(sections, "/proc/sys/kernel/osrelease") ?? "",
    },
    packages: parsePackages(sections, family),
    ...(xen === undefined ? {} : { xen }),
    cpu: parseCpu(sections),
    memory: { total: mebibytes(memory.MemTotal), available: mebibytes(memory.MemAvailable) },
    boot,
    network: parseNetwork(sections),
    storage: parseStorage(sections),
    nftables: identity.nftables === "yes",
    watchdogs: named(sections, "value /sys/class/watchdog/").map(([path, text]) => ({
      device: `/dev/${path.replace("/identity", "")}`,
      identity: text.trim(),
    })),
    guards: parseGuards(sections, boot.bootId),
    files: Object.fromEntries(named(sections, "file ")),
    units: parseUnits(sections.get("units")),
  }
}

/** Sections `PREFIX name`, with their names alone. */
function named(sections: Sections, prefix: string): [string, string][] {
  return [...sections].flatMap(([name, text]) =>
    name.startsWith(prefix) ? [[name.slice(prefix.length), text] as [string, string]] : [],
  )
}

/** "16310172 kB" of /proc/meminfo. */
function mebibytes(text = "0"): number {
  return Math.floor(Number.parseInt(text, 10) / 1024)
}

function parseCpu(sections: Sections): CpuFacts {
  const cpu = sections.get("cpu") ?? ""
  const flags = /^flags\s*:(.*)$/m.exec(cpu)?.[1]?.split(" ") ?? []
  const virtualisation = flags.includes("vmx") ? "vmx" : flags.includes("svm") ? "svm" : undefined
  return {
    count: countOf(/^online=(.*)$/m.exec(cpu)?.[1]),
    model: /^model name\s*:\s*(.*)$/m.exec(cpu)?.[1] ?? "",
    ...(virtualisation === undefined ? {} : { virtualisation }),
  }
}

/** How many are in a list of the kernel's: "0-3,6". */
function countOf(list = ""): number {
  return list
    .split(",")
    .filter(range => range !== "")
    .map(range => range.split("-").map(Number))
    .reduce((sum, [first = 0, last = first]) => sum + last - first + 1, 0)
}

function parseBoot(sections: Sections, identity: Readonly<Record<string, string>>): BootFacts {
  const grub = parseGrub(sections)
  return {
    firmware: identity.firmware === "uefi" ? "uefi" : "bios",
    loader: grub === undefined ? "other" : "grub",
    ...(grub === undefined ? {} : { grub }),
    bootFree: space(sections).boot.free,
    commandLine: valueIn(sections, "/proc/cmdline") ?? "",
    init: identity.systemd === "running" ? "systemd" : "other",
    bootId: valueIn(sections, "/proc/sys/kernel/random/boot_id") ?? "",
    uptime: Number.parseFloat(valueIn(sections, "/proc/uptime") ?? "0"),
  }
}

interface FileSystem {
  readonly device: string
  readonly type: string
  /** MiB. */
  readonly free: number
}

/** `df -P -T -m`: below the headings a line for each place that was asked for. */
function space(sections: Sections): Record<"boot" | "records" | "grubenv", FileSystem> {
  const [boot, records, grubenv] = lines(sections.get("space"))
    .slice(1)
    .map(line => {
      const [device = "", type = "", , , free = "0"] = line.split(/\s+/)
      return { device, type, free: Number(free) }
    })
  const unknown: FileSystem = { device: "", type: "", free: 0 }
  return { boot: boot ?? unknown, records: records ?? unknown, grubenv: grubenv ?? unknown }
}

function parseGrub(sections: Sections): GrubFacts | undefined {
  if (!sections.has("grub")) return undefined
  const { config = "", directory = "", writable } = parseFields(sections.get("grub")!)
  const menu = parseGrubMenu(sections.get(`file ${config}`) ?? "")
  const bls = named(sections, "file /boot/loader/entries/").map(([name, entry]) => parseBlsEntry(name, entry))
  const { device, type } = space(sections).grubenv
  const problem = grubEnvironmentProblem(device, type, writable === "yes")
  return {
    ...menu,
    entries: menu.bls ? [...bls, ...menu.entries] : menu.entries,
    config,
    directory,
    prefix: sections.has("tool grub2-mkconfig") ? "grub2" : "grub",
    environment: parseGrubEnvironment(sections.get(`file ${directory}/grubenv`) ?? ""),
    environmentWritable: problem === undefined,
    ...(problem === undefined ? {} : { environmentProblem: problem }),
    defaults: Object.fromEntries(
      named(sections, "file ").filter(([path]) => path.startsWith("/etc/default/grub")),
    ),
  }
}

function parseStorage(sections: Sections): StorageFacts {
  const columns = (name: string) => lines(sections.get(name)).map(line => line.trim().split("|"))
  return {
    disks: parseDisks(sections),
    volumeGroups: columns("vgs").map(([name, size, rest]) => ({
      name: name!,
      size: Number(size),
      free: Number(rest),
    })),
    logicalVolumes: columns("lvs").map(([group, name, size]) => ({
      group: group!,
      name: name!,
      size: Number(size),
    })),
    recordsFree: space(sections).records.free,
  }
}

const GUARD_STATES: readonly string[] = ["armed", "reverting", "reverted", "confirmed"] satisfies GuardState[]

/** One that is about to restart the machine has not taken its change back before that restart (guard.sh, `leaving`). */
export function guardState(
  { state, leaving }: { readonly [field: string]: string },
  bootId: string | undefined,
): GuardState {
  return state === "reverted" && leaving !== undefined && leaving === bootId
    ? "reverting"
    : (state as GuardState)
}

function parseGuards(sections: Sections, bootId: string | undefined): GuardFacts[] {
  return named(sections, "file /var/lib/pulumi-xen/guard/").flatMap(([path, text]) => {
    const [name, file] = path.split("/")
    if (file !== "state") return []
    const state = parseFields(text)
    if (!GUARD_STATES.includes(state.state ?? "")) return []
    return [
      {
        name: name!,
        state: guardState(state, bootId),
        token: state.token ?? "",
        title: state.title ?? "",
        since: Number(state.since),
        deadline: Number(state.deadline),
        log: lines(sections.get(`file /var/lib/pulumi-xen/guard/${name}/log`)),
      },
    ]
  })
}
