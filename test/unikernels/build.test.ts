import { cp, readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import test from "ava"
import { helloSource, make, temporaryFolder } from "./support/build.ts"

const PHYS32_ENTRY = 18
const NOTE = 4
const LOAD = 1

type Header = { type: number; offset: number; address: number; fileSize: number }

function programHeaders(elf: Buffer): Header[] {
  const start = Number(elf.readBigUInt64LE(32))
  return Array.from({ length: elf.readUInt16LE(56) }, (_, i) => {
    const at = start + i * elf.readUInt16LE(54)
    return {
      type: elf.readUInt32LE(at),
      offset: Number(elf.readBigUInt64LE(at + 8)),
      address: Number(elf.readBigUInt64LE(at + 24)),
      fileSize: Number(elf.readBigUInt64LE(at + 32)),
    }
  })
}

function notes(elf: Buffer): { name: string; type: number; value: Buffer }[] {
  return programHeaders(elf)
    .filter(header => header.type === NOTE)
    .flatMap(({ offset, fileSize }) => {
      const found = []
      const round = (size: number) => (size + 3) & ~3
      for (let at = offset; at < offset + fileSize; ) {
        const [name, size] = [elf.readUInt32LE(at), elf.readUInt32LE(at + 4)]
        const value = at + 12 + round(name)
        found.push({
          name: elf.toString("latin1", at + 12, at + 12 + name - 1),
          type: elf.readUInt32LE(at + 8),
          value: elf.subarray(value, value + size),
        })
        at = value + round(size)
      }
      return found
    })
}

test("two builds in two folders leave the same bytes", async t => {
  const [one, two] = [await temporaryFolder(t), await temporaryFolder(t)]
  for (const folder of [one, two]) {
    await cp(helloSource, folder, { recursive: true, filter: path => !path.endsWith("/dist") })
    await make("all", "dist", {}, folder)
  }
  const files = (await readdir(join(one, "dist"))).sort()
  t.deepEqual(files, ["hello.xen", "hello.xl", "hello.xl.in"])
  for (const file of files) {
    const [here, there] = await Promise.all([one, two].map(folder => readFile(join(folder, "dist", file))))
    t.true(here!.equals(there!), file)
  }
})

test("another version is another kernel with another build id", async t => {
  const dist = await temporaryFolder(t)
  await make("all", join(dist, "1"))
  await make("all", join(dist, "2"), { VERSION: "2.0.0" })
  const ids = await Promise.all(
    ["1", "2"].map(async version => {
      const elf = await readFile(join(dist, version, "hello.xen"))
      return notes(elf)
        .find(note => note.name === "GNU")
        ?.value.toString("hex")
    }),
  )
  t.regex(ids[0]!, /^[0-9a-f]{40}$/)
  t.not(ids[0], ids[1])
})

test("the kernel can be entered as PVH and as multiboot1", async t => {
  const dist = await temporaryFolder(t)
  await make("all", dist)
  const elf = await readFile(join(dist, "hello.xen"))
  t.is(elf.toString("latin1", 0, 5), "\x7fELF\x02")
  t.is(elf.readUInt16LE(18), 62, "x86-64")

  const entry = notes(elf).find(note => note.name === "Xen" && note.type === PHYS32_ENTRY)
  const text = programHeaders(elf).find(header => header.type === LOAD)!
  const address = entry!.value.readUInt32LE(0)
  t.true(address >= text.address && address < text.address + text.fileSize)

  const header = Array.from({ length: 2048 }, (_, i) => i * 4).find(at => elf.readUInt32LE(at) === 0x1badb002)
  t.not(header, undefined, "in the first 8 KiB of the file")
  const sum = elf.readUInt32LE(header!) + elf.readUInt32LE(header! + 4) + elf.readUInt32LE(header! + 8)
  t.is(sum % 2 ** 32, 0)
})

test("the configurations are those that mirage writes for one network and no disk", async t => {
  const dist = await temporaryFolder(t)
  await make("all", dist, { MEMORY: "24", BRIDGE: "br0" })
  const expected = (name: string, kernel: string, memory: string, bridge: string) =>
    [
      `name = '${name}'`,
      `kernel = '${kernel}'`,
      "type = 'pvh'",
      `memory = ${memory}`,
      "on_crash = 'preserve'",
      "",
      "disk = [  ]",
      "",
      "# if your system uses openvswitch then either edit /etc/xen/xl.conf and set",
      '#     vif.default.script="vif-openvswitch"',
      '# or add "script=vif-openvswitch," before the "bridge=" below:',
      `vif = [ 'bridge=${bridge}' ]`,
      "",
    ].join("\n")
  t.is(
    await readFile(join(dist, "hello.xl.in"), "utf8"),
    expected("@NAME@", "@KERNEL@", "@MEMORY@", "@NETWORK:service@"),
  )
  t.is(await readFile(join(dist, "hello.xl"), "utf8"), expected("hello", "hello.xen", "24", "br0"))
})
