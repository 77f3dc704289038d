import { execFile } from "node:child_process"
import { copyFile, mkdir, open, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"

const run = promisify(execFile)
const sector = 512
const partitionStart = 2048 * sector
const partitionSize = 4 * 1024 * 1024
const grub = "/usr/lib/grub/i386-pc"

/**
 * A disk image whose GRUB boots `kernel` by multiboot1 on a PC with a BIOS, as an EC2 instance of a Xen type would:
 * boot sector, GRUB's core with its few commands inside, one ext2 partition with the kernel.
 * The interrupt controllers are masked first: the BIOS lets IRQ 0 arrive as vector 8, which is a double fault.
 */
export async function grubDisk(folder: string, kernel: string, args: string): Promise<string> {
  const root = join(folder, "root")
  await mkdir(root, { recursive: true })
  await copyFile(kernel, join(root, "kernel"))
  const partition = join(folder, "partition")
  await run("mke2fs", ["-q", "-t", "ext2", "-d", root, partition, `${partitionSize / 1024}k`])

  const commands = [`multiboot (hd0,msdos1)/kernel ${args}`, "outb 0x21 0xff", "outb 0xa1 0xff", "boot"]
  const config = join(folder, "grub.cfg")
  await writeFile(config, `${commands.join("\n")}\n`)
  const core = join(folder, "core.img")
  const modules = ["biosdisk", "part_msdos", "ext2", "multiboot", "iorw", "boot"]
  await run("grub-mkimage", ["-O", "i386-pc", "-p", "(hd0,msdos1)/", "-c", config, "-o", core, ...modules])

  const image = join(folder, "disk.img")
  await using disk = await open(image, "w")
  const first = await readFile(join(grub, "boot.img"))
  await disk.write(first.subarray(0, 440), 0, 440, 0)
  await disk.write(partitionEntry(), 0, 18, 446)
  await disk.write(Buffer.from([0x55, 0xaa]), 0, 2, 510)
  const second = await readFile(core)
  await disk.write(second, 0, second.length, sector)
  await disk.write(await readFile(partition), 0, partitionSize, partitionStart)
  return image
}

/** One bootable Linux partition, in sectors; the old cylinder numbers are left to those who ignore them. */
function partitionEntry(): Buffer {
  const entry = Buffer.alloc(18)
  entry[0] = 0x80
  entry[4] = 0x83
  entry.writeUInt32LE(partitionStart / sector, 8)
  entry.writeUInt32LE(partitionSize / sector, 12)
  return entry
}
