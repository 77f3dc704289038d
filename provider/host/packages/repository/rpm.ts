import { PackageFormatError, type ReadPart } from "./packageFile.ts"

/** Something that a package provides, requires, conflicts with or obsoletes. */
export interface RpmRelation {
  readonly name: string
  /** "EQ", "LT", "LE", "GT", "GE"; absent where any version will do. */
  readonly flags?: string
  /** "epoch:version-release", parts of it left out as they are there. */
  readonly version: string
  /** Needed before the package is installed. */
  readonly before: boolean
}

/** What an RPM says of itself, as far as package tools need it to resolve what goes with what. */
export interface RpmPackage {
  readonly name: string
  readonly epoch: number
  readonly version: string
  readonly release: string
  readonly architecture: string
  readonly summary: string
  readonly license: string
  /** Name of the source package; empty in a source package itself. */
  readonly source: string
  /** Bytes that its files take. */
  readonly installedSize: number
  readonly buildTime: number
  readonly provides: readonly RpmRelation[]
  readonly requires: readonly RpmRelation[]
  readonly conflicts: readonly RpmRelation[]
  readonly obsoletes: readonly RpmRelation[]
  /** Paths. */
  readonly files: readonly string[]
  /** Where the header lies in the file: bytes from and to. */
  readonly header: readonly [start: number, end: number]
}

/** Tags of the header (rpm's tag documentation, docs/manual/tags.md). */
const TAG = {
  name: 1000,
  version: 1001,
  release: 1002,
  epoch: 1003,
  summary: 1004,
  buildTime: 1006,
  size: 1009,
  license: 1014,
  architecture: 1022,
  source: 1044,
  directoryIndexes: 1116,
  baseNames: 1117,
  directories: 1118,
} as const
/** Each relation is three parallel lists: names, flags, versions. */
const RELATIONS = {
  provides: [1047, 1112, 1113],
  requires: [1049, 1048, 1050],
  conflicts: [1054, 1053, 1055],
  obsoletes: [1090, 1114, 1115],
} as const

const LEAD = 96
const MAX_HEADER = 256 * 1024 * 1024

/** Reads an RPM's header (rpm's docs/manual/format_v4.md: lead, signature header, header, payload). */
export async function readRpm(part: ReadPart): Promise<RpmPackage> {
  if ((await part(0, 4)).toString("hex") !== "edabeedb")
    throw new PackageFormatError("it is no RPM: it does not begin as one")
  const signature = await lengthOfHeader(part, LEAD)
  // The signature header alone is filled up to a multiple of eight.
  const start = LEAD + Math.ceil(signature / 8) * 8
  const length = await lengthOfHeader(part, start)
  return describe(new Header(await part(start, length)), [start, start + length])
}

/** Bytes of a header: its introduction, sixteen for each entry, and its store. */
async function lengthOfHeader(part: ReadPart, at: number): Promise<number> {
  const head = await part(at, 16)
  const length = 16 + head.readUInt32BE(8) * 16 + head.readUInt32BE(12)
  if (head.toString("hex", 0, 4) !== "8eade801" || length > MAX_HEADER)
    throw new PackageFormatError("its header is damaged")
  return length
}

function describe(header: Header, place: readonly [number, number]): RpmPackage {
  const one = (tag: number): string => header.texts(tag)[0] ?? ""
  const number = (tag: number): number => header.numbers(tag)[0] ?? 0
  const source = one(TAG.source)
  const relations = (kind: keyof typeof RELATIONS) => relationsOf(header, RELATIONS[kind])
  if (one(TAG.name) === "") throw new PackageFormatError("its header names no package")
  return {
    name: one(TAG.name),
    epoch: number(TAG.epoch),
    version: one(TAG.version),
    release: one(TAG.release),
    architecture: source === "" ? "src" : one(TAG.architecture),
    summary: one(TAG.summary),
    license: one(TAG.license),
    source,
    installedSize: number(TAG.size),
    buildTime: number(TAG.buildTime),
    provides: relations("provides"),
    requires: relations("requires"),
    conflicts: relations("conflicts"),
    obsoletes: relations("obsoletes"),
    files: filesOf(header),
    header: place,
  }
}

/** rpmds.h: RPMSENSE_LESS, GREATER, EQUAL; and what must be there before (PREREQ, SCRIPT_PRE, SCRIPT_POST). */
const COMPARISONS = ["", "LT", "GT", "", "EQ", "LE", "GE", ""]
const BEFORE = (1 << 6) | (1 << 9) | (1 << 10)

function relationsOf(
  header: Header,
  [names, flags, versions]: readonly [number, number, number],
): RpmRelation[] {
  const sense = header.numbers(flags)
  const version = header.texts(versions)
  return header.texts(names).map((name, at) => {
    const bits = sense[at] ?? 0
    const comparison = COMPARISONS[(bits >> 1) & 7]
    return {
      name,
      ...(comparison && { flags: comparison }),
      version: version[at] ?? "",
      before: (bits & BEFORE) !== 0,
    }
  })
}

function filesOf(header: Header): string[] {
  const directories = header.texts(TAG.directories)
  const indexes = header.numbers(TAG.directoryIndexes)
  return header.texts(TAG.baseNames).map((name, at) => `${directories[indexes[at] ?? 0] ?? ""}${name}`)
}

/** Types of entries that are read here. */
const INT32 = 4
const TEXTS = [6, 8, 9]

class Header {
  readonly #bytes: Buffer
  readonly #store: number
  readonly #entries = new Map<number, { type: number; offset: number; count: number }>()

  constructor(bytes: Buffer) {
    const count = bytes.readUInt32BE(8)
    this.#bytes = bytes
    this.#store = 16 + count * 16
    for (let at = 16; at < this.#store; at += 16) {
      const [tag, type, offset, items] = [0, 4, 8, 12].map(word => bytes.readUInt32BE(at + word))
      this.#entries.set(tag!, { type: type!, offset: this.#store + offset!, count: items! })
    }
  }

  numbers(tag: number): number[] {
    const entry = this.#entries.get(tag)
    if (entry?.type !== INT32) return []
    this.#within(entry.offset + entry.count * 4)
    return Array.from({ length: entry.count }, (_, at) => this.#bytes.readUInt32BE(entry.offset + at * 4))
  }

  texts(tag: number): string[] {
    const entry = this.#entries.get(tag)
    if (entry === undefined || !TEXTS.includes(entry.type)) return []
    const found: string[] = []
    let at = entry.offset
    while (found.length < entry.count) {
      const end = this.#bytes.indexOf(0, at)
      this.#within(end < 0 ? Number.POSITIVE_INFINITY : end)
      found.push(this.#bytes.toString("utf8", at, end))
      at = end + 1
    }
    return found
  }

  #within(end: number): void {
    if (end > this.#bytes.length) throw new PackageFormatError("its header is damaged")
  }
}
