/**
 * What a kernel file is, told from its headers alone: the ELF header and program headers (System V ABI), Xen's
 * notes (xen/include/public/elfnote.h), the older `__xen_guest` section, the multiboot header (Multiboot
 * Specification 0.6.96, section 3.1) and Linux's boot protocol header (Documentation/arch/x86/boot.rst).
 */
export type BootKind = "pv" | "pvh" | "multiboot1" | "linux"

export interface KernelFacts {
  /** Every way in which the file can be booted; a MirageOS kernel of today is `pvh` and `multiboot1`. */
  readonly kinds: readonly BootKind[]
  readonly machine: "x86_64" | "x86_32"
  /** Xen's notes by name, without `XEN_ELFNOTE_`: numbers in hexadecimal, texts as they are. */
  readonly notes: { readonly [name: string]: string }
}

/** The bytes are no kernel that Xen on x86 can start. The message completes "… is ". */
export class NotAKernelError extends Error {
  override name = "NotAKernelError"
}

/** All a kernel's headers lie in its first MiB or are pointed to; the whole file is looked at. */
export function inspectKernelBytes(bytes: Buffer): KernelFacts {
  if (bytes.length === 0) throw new NotAKernelError("empty")
  if (isLinux(bytes)) return { kinds: ["linux"], machine: "x86_64", notes: {} }
  if (bytes.length < 4 || bytes.readUInt32BE(0) !== 0x7f454c46) {
    const start = bytes
      .subarray(0, 4)
      .toString("hex")
      .replace(/..(?=.)/g, "$& ")
    throw new NotAKernelError(
      `no kernel: it begins with the bytes ${start}, and an ELF file begins with 7f 45 4c 46`,
    )
  }
  const elf = readElf(bytes)
  const notes = xenNotes(elf)
  const kinds: BootKind[] = []
  if ("PHYS32_ENTRY" in notes) kinds.push("pvh")
  if (["ENTRY", "HYPERCALL_PAGE", "VIRT_BASE", "GUEST_OS", "__xen_guest"].some(name => name in notes))
    kinds.push("pv")
  if (hasMultibootHeader(bytes)) kinds.push("multiboot1")
  if (kinds.length === 0) {
    const hint = "was it built for another target (mirage configure -t xen)?"
    throw new NotAKernelError(
      `an ELF file without a Xen note or a multiboot header, which Xen cannot start; ${hint}`,
    )
  }
  return { kinds, machine: elf.machine, notes }
}

interface Segment {
  readonly isNote: boolean
  readonly name: string
  readonly data: Buffer
}

interface Elf {
  readonly machine: "x86_64" | "x86_32"
  readonly segments: readonly Segment[]
}

/** e_machine of the machines that people do build unikernels for (elf.h), to name what was seen. */
const machines: { readonly [code: number]: string } = {
  3: "x86_32",
  40: "ARM",
  62: "x86_64",
  183: "AArch64",
  243: "RISC-V",
}

function readElf(bytes: Buffer): Elf {
  const truncated = new NotAKernelError("a truncated ELF file: its headers point past its end")
  try {
    const wide = bytes[4] === 2
    if (bytes[5] !== 1) throw new NotAKernelError("a big-endian ELF file; Xen's x86 hosts are little-endian")
    const code = bytes.readUInt16LE(18)
    const machine = machines[code]
    if (machine !== "x86_64" && machine !== "x86_32") {
      const seen = machine ?? `machine ${code}`
      throw new NotAKernelError(`an ELF file for ${seen}; these Xen hosts run x86_64 and x86_32 kernels`)
    }
    const word = (at: number): number => (wide ? Number(bytes.readBigUInt64LE(at)) : bytes.readUInt32LE(at))
    const segments: Segment[] = []
    const add = (isNote: boolean, name: string, offset: number, size: number): void => {
      if (offset + size > bytes.length) throw truncated
      segments.push({ isNote, name, data: bytes.subarray(offset, offset + size) })
    }

    const [phoff, shoff] = wide ? [word(32), word(40)] : [word(28), word(32)]
    const counts = wide ? 54 : 42
    const [phentsize, phnum, shentsize, shnum, shstrndx] = [0, 2, 4, 6, 8].map(at =>
      bytes.readUInt16LE(counts + at),
    )
    for (let i = 0; i < phnum!; i++) {
      const at = phoff! + i * phentsize!
      const isNote = bytes.readUInt32LE(at) === 4
      add(isNote, "", word(at + (wide ? 8 : 4)), word(at + (wide ? 32 : 16)))
    }
    const section = (index: number) => {
      const at = shoff! + index * shentsize!
      const [offset, size] = wide ? [word(at + 24), word(at + 32)] : [word(at + 16), word(at + 20)]
      return {
        nameAt: bytes.readUInt32LE(at),
        type: bytes.readUInt32LE(at + 4),
        offset: offset!,
        size: size!,
      }
    }
    if (shoff !== 0 && shnum! > 0 && shstrndx! < shnum!) {
      const names = section(shstrndx!).offset
      for (let i = 0; i < shnum!; i++) {
        const { nameAt, type, offset, size } = section(i)
        const nameEnd = bytes.indexOf(0, names + nameAt)
        const name = bytes.toString("latin1", names + nameAt, nameEnd < 0 ? names + nameAt : nameEnd)
        const isNote = type === 7
        if (isNote || name === "__xen_guest") add(isNote, name, offset, size)
      }
    }
    return { machine, segments }
  } catch (error) {
    if (error instanceof RangeError) throw truncated
    throw error
  }
}

/** xen/include/public/elfnote.h */
const noteNames = [
  ...[
    "INFO",
    "ENTRY",
    "HYPERCALL_PAGE",
    "VIRT_BASE",
    "PADDR_OFFSET",
    "XEN_VERSION",
    "GUEST_OS",
    "GUEST_VERSION",
  ],
  ...[
    "LOADER",
    "PAE_MODE",
    "FEATURES",
    "BSD_SYMTAB",
    "HV_START_LOW",
    "L1_MFN_VALID",
    "SUSPEND_CANCEL",
    "INIT_P2M",
  ],
  ...["MOD_START_PFN", "SUPPORTED_FEATURES", "PHYS32_ENTRY", "PHYS32_RELOC"],
]
const textNotes = new Set(["XEN_VERSION", "GUEST_OS", "GUEST_VERSION", "LOADER", "PAE_MODE", "FEATURES"])

function xenNotes({ segments }: Elf): { [name: string]: string } {
  const notes: { [name: string]: string } = {}
  for (const { isNote, name, data } of segments) {
    if (name === "__xen_guest") notes.__xen_guest = cString(data)
    if (!isNote) continue
    const aligned = (size: number): number => Math.ceil(size / 4) * 4
    for (let at = 0; at + 12 <= data.length; ) {
      const [nameSize, descriptionSize, type] = [0, 4, 8].map(offset => data.readUInt32LE(at + offset))
      const start = at + 12 + aligned(nameSize!)
      const description = data.subarray(start, start + descriptionSize!)
      const noteName = noteNames[type!] ?? `type ${type}`
      if (data.toString("latin1", at + 12, at + 12 + nameSize!) === "Xen\0") {
        notes[noteName] = textNotes.has(noteName) ? cString(description) : hexadecimal(description)
      }
      at = start + aligned(descriptionSize!)
    }
  }
  return notes
}

const cString = (bytes: Buffer): string => bytes.toString("latin1").replace(/\0.*$/s, "")

function hexadecimal(bytes: Buffer): string {
  if (bytes.length === 8) return `0x${bytes.readBigUInt64LE().toString(16)}`
  if (bytes.length === 4) return `0x${bytes.readUInt32LE().toString(16)}`
  return `0x${bytes.toString("hex")}`
}

/** The header lies in the first 8 KiB, on 4 bytes, and its first three words sum to nought. */
function hasMultibootHeader(bytes: Buffer): boolean {
  const end = Math.min(bytes.length, 8192) - 12
  for (let at = 0; at <= end; at += 4) {
    if (bytes.readUInt32LE(at) !== 0x1badb002) continue
    const sum = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) + bytes.readUInt32LE(at + 8)
    if (sum % 2 ** 32 === 0) return true
  }
  return false
}

/** A bzImage: 0xaa55 at 0x1fe and "HdrS" at 0x202. Xen unpacks it itself. */
function isLinux(bytes: Buffer): boolean {
  return (
    bytes.length > 0x206 &&
    bytes.readUInt16LE(0x1fe) === 0xaa55 &&
    bytes.toString("latin1", 0x202, 0x206) === "HdrS"
  )
}
