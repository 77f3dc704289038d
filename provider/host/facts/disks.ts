import { lines, parseFields, type Sections, valueIn } from "./sections.ts"
import type { DiskFacts } from "./types.ts"

/** What probe.sh says of a block device, from /sys/class/block and udev's record of it. */
interface Device {
  /** The kernel's name. It writes a slash as an exclamation mark. */
  readonly device: string
  /** Of 512 bytes, whatever the device's own are: Documentation/ABI/stable/sysfs-block. */
  readonly sectors: string
  /** Major and minor: 8:1. */
  readonly number: string
  readonly partition?: string
  /** The device mapper's name. */
  readonly mapped?: string
  /** The device mapper's, whose prefix says what it was made by. */
  readonly uuid?: string
  /** Of a RAID. */
  readonly level?: string
  readonly filesystem?: string
}

/** Where a device's file system is, and which. */
interface Use {
  readonly mountpoint: string
  readonly filesystem: string
}

/** Block devices under the names and types that lsblk(8) gives them; each once, however many it lies on. */
export function parseDisks(sections: Sections): DiskFacts[] {
  const uses = usesOf(sections)
  return devicesOf(sections.get("devices") ?? "").map(device => {
    const { sectors, number, mapped, filesystem } = device
    const name = mapped ?? device.device.replaceAll("!", "/")
    const use = uses.get(number) ?? uses.get(`/dev/${device.device}`) ?? uses.get(`/dev/mapper/${name}`)
    const known = filesystem ?? use?.filesystem
    return {
      name,
      size: Number(sectors) * 512,
      type: typeOf(device),
      ...(use === undefined ? {} : { mountpoint: use.mountpoint }),
      ...(known === undefined ? {} : { filesystem: known }),
    }
  })
}

function devicesOf(text: string): Device[] {
  return text.split(/^(?=device=)/m).flatMap(record => {
    const fields = parseFields(record)
    return fields.device === undefined ? [] : [fields as unknown as Device]
  })
}

function typeOf({ device, partition, uuid, level }: Device): string {
  if (partition !== undefined) return "part"
  if (/^dm-/.test(device)) {
    const prefix = uuid?.split("-")[0]?.toLowerCase() ?? "dm"
    return prefix.startsWith("part") ? "part" : prefix
  }
  if (/^md/.test(device)) return level ?? "md"
  if (/^loop/.test(device)) return "loop"
  return /^sr/.test(device) ? "rom" : "disk"
}

/** By the device's number and, for file systems that have one of their own (btrfs), by its path: proc(5). */
function usesOf(sections: Sections): Map<string, Use> {
  const uses = new Map<string, Use>()
  const put = (keys: readonly string[], use: Use): void => {
    for (const key of keys) if (!uses.has(key)) uses.set(key, use)
  }
  const mounts = lines(valueIn(sections, "/proc/self/mountinfo")).map(line => {
    const [before = "", after = ""] = line.split(" - ")
    const [, , number = "", root = "", mountpoint = ""] = before.split(" ")
    const [filesystem = "", source = ""] = after.split(" ")
    return { keys: [number, unescaped(source)], root, mountpoint: unescaped(mountpoint), filesystem }
  })
  // A directory of a file system may be mounted, too; that is not where the file system is.
  mounts.sort((one, other) => Number(other.root === "/") - Number(one.root === "/"))
  for (const { keys, mountpoint, filesystem } of mounts) put(keys, { mountpoint, filesystem })
  for (const line of lines(valueIn(sections, "/proc/swaps")).slice(1))
    put([unescaped(line.split(/\s+/)[0]!)], { mountpoint: "[SWAP]", filesystem: "swap" })
  return uses
}

/** The kernel writes blanks and backslashes in octal: `\040`. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
