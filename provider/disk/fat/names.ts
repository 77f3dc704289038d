import { ENTRY } from "./geometry.ts"

/** Names of a directory's entry as they lie on the disk. */
export interface EntryName {
  /** Eleven bytes: eight and three, padded with blanks. */
  readonly short: string
  /** The name in full, where the short one is not the same. */
  readonly long?: string
}

/** What a short name may hold beside letters and digits (Microsoft's specification, page 24). */
const SHORT = /^[A-Z0-9!#$%&'()@^_`{}~-]+$/
const PART_OF_LONG = 13

/**
 * Gives each name of a directory its short name: itself where it is one, else the first letters and a number, unique
 * and always the same for the same names.
 */
export function entryNames(names: readonly string[]): Map<string, EntryName> {
  const result = new Map<string, EntryName>()
  const taken = new Set<string>()
  for (const name of names) {
    const short = asShort(name)
    if (short === undefined) continue
    result.set(name, { short })
    taken.add(short)
  }
  for (const long of names) {
    if (result.has(long)) continue
    const short = shorten(long, taken)
    result.set(long, { short, long })
    taken.add(short)
  }
  return result
}

function asShort(name: string): string | undefined {
  const [base = "", extension, ...more] = name.split(".")
  const fits =
    more.length === 0 &&
    base.length <= 8 &&
    SHORT.test(base) &&
    (extension === undefined || (extension.length <= 3 && SHORT.test(extension)))
  return fits ? base.padEnd(8) + (extension ?? "").padEnd(3) : undefined
}

function shorten(name: string, taken: ReadonlySet<string>): string {
  const dot = name.lastIndexOf(".")
  const clean = (part: string) =>
    part
      .toUpperCase()
      .replace(/[ .]/g, "")
      .replace(/[^A-Z0-9!#$%&'()@^_`{}~-]/g, "_")
  const base = clean(dot > 0 ? name.slice(0, dot) : name) || "_"
  const extension = (dot > 0 ? clean(name.slice(dot + 1)) : "").slice(0, 3).padEnd(3)
  for (let number = 1; ; number++) {
    const tail = `~${number}`
    const short = (base.slice(0, 8 - tail.length) + tail).padEnd(8) + extension
    if (!taken.has(short)) return short
  }
}

/** Directory entries that a name takes: its long parts and the short one. */
export function entriesOf({ long }: EntryName): number {
  return 1 + (long === undefined ? 0 : Math.ceil(long.length / PART_OF_LONG))
}

/** The entries that carry a long name, last part first as they lie before the short entry. */
export function longEntries({ short, long }: EntryName): Buffer[] {
  if (long === undefined) return []
  const sum = checksum(short)
  const count = Math.ceil(long.length / PART_OF_LONG)
  return Array.from({ length: count }, (_, at) => {
    const part = count - 1 - at
    const entry = Buffer.alloc(ENTRY)
    entry[0] = (part + 1) | (at === 0 ? 0x40 : 0)
    entry[11] = 0x0f
    entry[13] = sum
    for (let unit = 0; unit < PART_OF_LONG; unit++) {
      const place = part * PART_OF_LONG + unit
      // The name ends with a zero, and what is left is filled with ones.
      const code = place < long.length ? long.charCodeAt(place) : place === long.length ? 0 : 0xffff
      entry.writeUInt16LE(
        code,
        unit < 5 ? 1 + 2 * unit : unit < 11 ? 14 + 2 * (unit - 5) : 28 + 2 * (unit - 11),
      )
    }
    return entry
  })
}

function checksum(short: string): number {
  let sum = 0
  for (const byte of Buffer.from(short, "latin1")) sum = (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff
  return sum
}
