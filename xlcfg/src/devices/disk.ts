import { ValueError } from "../errors.ts"
import type { Report } from "../problem.ts"
import { DiskReader } from "./diskReader.ts"
import { checkField, parseSpec, type Spec } from "./spec.ts"
import { vdevNumber } from "./vdev.ts"

export type DiskFormat = "raw" | "qcow" | "qcow2" | "vhd" | "qed" | "empty"

/** A disk of a guest: one entry of `disk=`, xl-disk-configuration(5). The names are xl's own. */
export interface Disk {
  /** The name that the guest sees: `xvda`, `hdc`, … */
  readonly vdev: string
  /** Block device or image file on the host; none for an empty drive. */
  readonly target?: string
  /** Default `raw`. */
  readonly format?: DiskFormat
  /** Default `rw`; a CD-ROM is always `ro`. */
  readonly access?: "ro" | "rw"
  readonly cdrom?: boolean
  /** The domain that serves the disk; default: the host's control domain. */
  readonly backend?: string
  readonly backendtype?: "phy" | "tap" | "qdisk" | "standalone"
  readonly specification?: "xen" | "virtio"
  /** The hotplug script that makes a block device from `target`. */
  readonly script?: string
  readonly "direct-io-safe"?: boolean
  readonly discard?: boolean
  readonly trusted?: boolean
  /** Since 4.19, for `specification=virtio`. */
  readonly grant_usage?: boolean
  readonly colo?: boolean
  readonly "colo-host"?: string
  readonly "colo-port"?: number
  readonly "colo-export"?: string
  readonly "active-disk"?: string
  readonly "hidden-disk"?: string
}

/** The language of `disk=` entries, with the positional form and the deprecated prefixes of old. */
export const diskSpec: Spec<Disk> = { kind: "disk specification", scan, print }

/** Reads one entry of `disk=`. Throws {@link ValueError} for what xl refuses. */
export function parseDisk(spec: string): Disk {
  return parseSpec(diskSpec, spec)
}

/** Writes one entry of `disk=` in the named form, `target=` last. Throws {@link ValueError} for what has none. */
export function printDisk(disk: Disk): string {
  return diskSpec.print(disk)
}

function scan(text: string, report: Report): Disk | undefined {
  const reader = new DiskReader(text)
  const failure = reader.read()
  if (failure !== undefined) {
    report({
      code: reader.missesVdev ? "missing-vdev" : "bad-disk",
      message: `${failure} in ${JSON.stringify(text)}`,
    })
    return undefined
  }
  const { disk, deprecatedPrefix } = reader
  const problem = vdevProblem(disk.vdev)
  if (problem !== undefined)
    report({
      code: disk.vdev === "" ? "missing-vdev" : "bad-disk",
      message: `${problem} in ${JSON.stringify(text)}`,
    })
  else if (deprecatedPrefix !== undefined) {
    const message = `the prefix ${deprecatedPrefix} of a disk is an old form`
    report({ code: "deprecated", message, remedy: `write ${JSON.stringify(canonical(disk))}` })
  }
  for (const [name, since] of newNames)
    if (disk[name] !== undefined)
      report({ code: "too-new", since, message: `${name} in ${JSON.stringify(text)}` })
  return disk
}

/**
 * Options and the first xl that reads them. 4.17's sources have `trusted`, but the scanner that upstream and
 * Debian ship generated from them is older and refuses it.
 */
const newNames = [
  ["trusted", "4.18"],
  ["grant_usage", "4.19"],
] as const

/** The named form, without what that form cannot hold (a newline in a field). */
function canonical(disk: Disk): string {
  const clean = Object.entries(disk).map(([name, value]) => [
    name,
    typeof value === "string" ? value.replace(/[,\n].*/s, "") : value,
  ])
  return print({
    ...Object.fromEntries(clean),
    ...(disk.target !== undefined && { target: disk.target.replaceAll("\n", " ") }),
  } as Disk)
}

/** xl passes any text on as the vdev; libxl then refuses the domain. */
function vdevProblem(vdev: string): string | undefined {
  if (vdev === "") return "an empty vdev, the name that the guest shall see,"
  return vdevNumber(vdev) === undefined
    ? `${JSON.stringify(vdev)} is no vdev, like xvda, hdc or sda1,`
    : undefined
}

const flags = { discard: "no-discard", colo: "no-colo", trusted: "untrusted" } as const
const texts = [
  "backend",
  "backendtype",
  "specification",
  "script",
  "colo-host",
  "colo-port",
  "colo-export",
  "active-disk",
  "hidden-disk",
] as const

function print(disk: Disk): string {
  const kind = diskSpec.kind
  const problem = vdevProblem(disk.vdev)
  if (problem !== undefined) throw new ValueError(kind, problem.replace(/,$/, ""))
  const isEmpty = disk.format === "empty"
  if (disk.target === undefined && !disk.cdrom)
    throw new ValueError(kind, "only a CD-ROM drive can be without a target")
  const parts = [
    `format=${disk.format ?? "raw"}`,
    `vdev=${disk.vdev}`,
    `access=${disk.cdrom ? "ro" : (disk.access ?? "rw")}`,
  ]
  if (disk.cdrom) parts.push("devtype=cdrom")
  if (disk["direct-io-safe"]) parts.push("direct-io-safe")
  for (const [name, negative] of Object.entries(flags)) {
    const value = disk[name as keyof typeof flags]
    if (value !== undefined) parts.push(value ? name : negative)
  }
  if (disk.grant_usage !== undefined) parts.push(`grant_usage=${disk.grant_usage ? 1 : 0}`)
  for (const name of texts) {
    const value = disk[name]
    if (value !== undefined) parts.push(`${name}=${checkField(kind, name, String(value))}`)
  }
  if (disk.target !== undefined && !(isEmpty && disk.target === "")) parts.push(printTarget(disk.target))
  return parts.join(",")
}

/** `target=` eats the rest of its specification, commas too, and drops one comma at the very end. */
function printTarget(target: string): string {
  checkField(diskSpec.kind, "target", target, /\n/)
  return `target=${target}${target.endsWith(",") ? "," : ""}`
}
