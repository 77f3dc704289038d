/** Small files with the headers of kernels, made byte by byte: what inspection is about, and nothing else. */
export interface ElfOptions {
  /** e_machine. Default 62, x86_64. */
  readonly machine?: number
  /** 32-bit ELF. Default: by the machine. */
  readonly narrow?: boolean
  /** Xen notes: [type, description]. */
  readonly notes?: readonly (readonly [number, Buffer])[]
  readonly multiboot?: boolean
  /** Content of a section `__xen_guest`. */
  readonly guestSection?: string
  /** Bytes at the end, so that two files differ. */
  readonly payload?: Buffer | string
}

export const xenNote = {
  entry: [1, u64(0x1000n)],
  hypercallPage: [2, u64(0x2000n)],
  xenVersion: [5, Buffer.from("xen-3.0\0")],
  guestOs: [6, Buffer.from("Mini-OS\0")],
  loader: [8, Buffer.from("generic\0")],
  phys32Entry: [18, u32(0x100020)],
} as const

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

export function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}

export function elf(options: ElfOptions = {}): Buffer {
  const {
    machine = 62,
    narrow = machine === 3,
    notes = [],
    multiboot = false,
    guestSection,
    payload = "",
  } = options
  const headerSize = narrow ? 52 : 64
  const programSize = narrow ? 32 : 56
  const sectionSize = narrow ? 40 : 64
  const noteBytes = Buffer.concat(notes.map(([type, description]) => note(type, description)))
  const boot = multiboot
    ? Buffer.concat([u32(0x1badb002), u32(3), u32(-(0x1badb002 + 3) >>> 0)])
    : Buffer.alloc(0)
  const names = Buffer.from("\0__xen_guest\0.shstrtab\0\0\0")
  const guest = Buffer.from(`${guestSection ?? ""}\0`)

  const programAt = headerSize
  const bootAt = programAt + programSize
  const noteAt = bootAt + boot.length
  const namesAt = noteAt + noteBytes.length
  const guestAt = namesAt + names.length
  const sectionsAt = guestSection === undefined ? 0 : (guestAt + guest.length + 7) & ~7
  const word = (value: number): Buffer => (narrow ? u32(value) : u64(BigInt(value)))
  const half = (value: number): Buffer => u32(value).subarray(0, 2)

  const header = Buffer.concat([
    Buffer.from([0x7f, 0x45, 0x4c, 0x46, narrow ? 1 : 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ...[half(2), half(machine), u32(1), word(0x100000), word(programAt), word(sectionsAt), u32(0)],
    ...[headerSize, programSize, 1, sectionSize, sectionsAt ? 3 : 0, sectionsAt ? 1 : 0].map(half),
  ])
  const size = word(noteBytes.length)
  const program = narrow
    ? Buffer.concat([u32(4), u32(noteAt), u32(0), u32(0), size, size, u32(0), u32(4)])
    : Buffer.concat([u32(4), u32(0), word(noteAt), word(0), word(0), size, size, word(4)])
  const section = (nameAt: number, type: number, at: number, length: number): Buffer =>
    Buffer.concat([
      u32(nameAt),
      u32(type),
      word(0),
      word(0),
      word(at),
      word(length),
      u32(0),
      u32(0),
      word(1),
      word(0),
    ])
  const sections = sectionsAt
    ? [section(0, 0, 0, 0), section(14, 3, namesAt, names.length), section(1, 1, guestAt, guest.length)]
    : []
  const body = Buffer.concat([header, program, boot, noteBytes, names, guest])
  const padding = Buffer.alloc(sectionsAt ? sectionsAt - body.length : 0)
  return Buffer.concat([body, padding, ...sections, Buffer.from(payload)])
}

function note(type: number, description: Buffer): Buffer {
  const padded = Buffer.concat([description, Buffer.alloc(-description.length & 3)])
  return Buffer.concat([u32(4), u32(description.length), u32(type), Buffer.from("Xen\0"), padded])
}

/** A kernel as MirageOS builds them today: PVH, and multiboot for a boot loader. Each payload is another kernel. */
export function pvhKernel(payload: Buffer | string = "hello"): Buffer {
  return elf({ notes: [xenNote.phys32Entry, xenNote.xenVersion], multiboot: true, payload })
}
