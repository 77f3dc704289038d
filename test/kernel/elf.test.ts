import { readFileSync } from "node:fs"
import test from "ava"
import fc from "fast-check"
import { inspectKernelBytes, NotAKernelError } from "../../provider/kernel/elf.ts"
import { type ElfOptions, elf, pvhKernel, xenNote } from "../helpers/kernels.ts"

const kernels: [title: string, options: ElfOptions, kinds: string[], machine: string][] = [
  [
    "a PVH kernel of today with its multiboot header",
    { notes: [xenNote.phys32Entry], multiboot: true },
    ["pvh", "multiboot1"],
    "x86_64",
  ],
  [
    "a PV kernel by its notes",
    { notes: [xenNote.entry, xenNote.hypercallPage, xenNote.guestOs] },
    ["pv"],
    "x86_64",
  ],
  ["a PV kernel that names only its guest OS", { notes: [xenNote.guestOs] }, ["pv"], "x86_64"],
  ["a kernel for both PV and PVH", { notes: [xenNote.entry, xenNote.phys32Entry] }, ["pvh", "pv"], "x86_64"],
  ["a PV kernel of before the notes", { guestSection: "GUEST_OS=mini-os,XEN_VER=xen-3.0" }, ["pv"], "x86_64"],
  ["a kernel for a boot loader alone", { multiboot: true }, ["multiboot1"], "x86_64"],
  ["a 32-bit PV kernel", { machine: 3, notes: [xenNote.entry, xenNote.xenVersion] }, ["pv"], "x86_32"],
  [
    "a 32-bit PV kernel of before the notes",
    { machine: 3, guestSection: "GUEST_OS=mini-os" },
    ["pv"],
    "x86_32",
  ],
]
for (const [title, options, kinds, machine] of kernels) {
  test(`${title} is told from its headers`, t => {
    t.like(inspectKernelBytes(elf(options)), { kinds, machine })
  })
}

test("notes are shown by name: texts as they are, numbers in hexadecimal, unknown ones by their type", t => {
  const notes = [xenNote.entry, xenNote.guestOs, xenNote.phys32Entry, [99, Buffer.from([1, 2, 3])]] as const
  t.deepEqual(inspectKernelBytes(elf({ notes })).notes, {
    ENTRY: "0x1000",
    GUEST_OS: "Mini-OS",
    PHYS32_ENTRY: "0x100020",
    "type 99": "0x010203",
  })
})

const refused: [title: string, bytes: Buffer, reason: RegExp][] = [
  ["an empty file", Buffer.alloc(0), /^empty$/],
  [
    "a text",
    Buffer.from("#!/bin/sh\n"),
    /^no kernel: it begins with the bytes 23 21 2f 62, and an ELF file begins with 7f 45 4c 46$/,
  ],
  ["one byte", Buffer.from([0x7f]), /^no kernel: it begins with the bytes 7f,/],
  [
    "an ELF for ARM",
    elf({ machine: 183, notes: [xenNote.entry] }),
    /^an ELF file for AArch64; these Xen hosts run x86_64/,
  ],
  ["an ELF for a machine nobody knows", elf({ machine: 9999 }), /^an ELF file for machine 9999/],
  ["an ordinary program", elf({}), /without a Xen note or a multiboot header.*mirage configure -t xen/],
  ["an ELF cut off in its header", pvhKernel().subarray(0, 40), /^a truncated ELF file/],
  ["an ELF cut off in its notes", pvhKernel("").subarray(0, 150), /^a truncated ELF file/],
]
for (const [title, bytes, reason] of refused) {
  test(`${title} is refused with what was seen`, t => {
    const error = t.throws(() => inspectKernelBytes(bytes), { instanceOf: NotAKernelError })
    t.regex(error.message, reason)
  })
}

test("a multiboot header whose checksum is wrong, or that lies past 8 KiB, is none", t => {
  const wrong = elf({ notes: [xenNote.entry], multiboot: true })
  wrong[wrong.indexOf(Buffer.from([0x02, 0xb0, 0xad, 0x1b])) + 8]! ^= 1
  t.deepEqual(inspectKernelBytes(wrong).kinds, ["pv"])
  const late = Buffer.concat([elf({ notes: [xenNote.entry] }), Buffer.alloc(8192), elf({ multiboot: true })])
  t.deepEqual(inspectKernelBytes(late).kinds, ["pv"])
})

test("an ordinary program of this machine is no kernel", t => {
  const error = t.throws(() => inspectKernelBytes(readFileSync(process.execPath)), {
    instanceOf: NotAKernelError,
  })
  t.regex(error.message, /without a Xen note/)
})

test("a note whose size is near 4 GiB ends the notes", t => {
  const huge = elf({ notes: [xenNote.entry, xenNote.phys32Entry] })
  huge.writeUInt32LE(0xffffffff, huge.indexOf("Xen\0") - 8)
  t.deepEqual(inspectKernelBytes(huge).kinds, ["pv"])
})

test("no bytes at all make inspection throw anything but its own error", t => {
  const whole = elf({
    notes: [xenNote.entry, xenNote.phys32Entry],
    multiboot: true,
    guestSection: "GUEST_OS=x",
  })
  const change = fc.record({ at: fc.nat(whole.length - 1), value: fc.nat(255) })
  const mutated = fc
    .tuple(fc.array(change, { maxLength: 8 }), fc.nat(whole.length))
    .map(([changes, length]) => {
      const bytes = Buffer.from(whole)
      for (const { at, value } of changes) bytes[at] = value
      return bytes.subarray(0, length)
    })
  const bytes = fc.oneof(
    mutated,
    fc.uint8Array({ maxLength: 300 }).map(array => Buffer.from(array)),
  )
  fc.assert(
    fc.property(bytes, input => {
      try {
        inspectKernelBytes(input)
      } catch (error) {
        t.true(error instanceof NotAKernelError, String((error as Error).stack))
      }
    }),
    { numRuns: 20_000 },
  )
  t.true(true)
})
