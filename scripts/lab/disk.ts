import { mkdir, open, readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import type { Flavour } from "./flavours.ts"
import { asOwner, run } from "./run.ts"

/** Size of a lab's disk in bytes; only what is written takes room. */
const diskSize = 12 * 2 ** 30

const sector = 512
const partitionStart = 2048 * sector

/**
 * Turns a root file system's tar into a raw disk that boots by its own BIOS GRUB: an MBR with one partition,
 * GRUB's first stage in sector 0 and its core between there and the partition (grub-install(8) needs a real
 * disk to do the same).
 */
export async function buildDisk(flavour: Flavour, tar: string, work: string): Promise<string> {
  const disk = join(work, "disk.raw")
  await using file = await open(disk, "w")
  await file.truncate(diskSize)
  await run("partition the disk", ["sfdisk", "--quiet", disk], {
    input: `label: dos\nstart=${partitionStart / sector}, type=83, bootable\n`,
  })
  const root = join(work, "root")
  await mkdir(root)
  await run(
    "make the disk's file system",
    asOwner(["sh", "-euc", fileSystemScript, "sh", tar, root, disk, flavour.grubDirectory]),
  )
  const core = await grubCore(flavour, root, work)
  const boot = await readFile(join(root, "usr/lib/grub/i386-pc/boot.img"))
  // The partition table begins at byte 446, and the disk's signature at 440.
  await file.write(boot, 0, 440, 0)
  await file.write(core, 0, core.length, sector)
  await rm(root, { recursive: true })
  return disk
}

/** One shell, since fakeroot remembers the owners of the files only within one call. */
const fileSystemScript = `
tar --extract --file "$1" --directory "$2" --exclude='./dev/*' --numeric-owner
cp -r "$2/usr/lib/grub/i386-pc" "$2/$4/"
mke2fs -q -t ext4 -L root -E offset=${partitionStart} -d "$2" "$3" ${(diskSize - partitionStart) / 1024}k
`

async function grubCore(flavour: Flavour, root: string, work: string): Promise<Buffer> {
  const core = join(work, "core.img")
  await run("make GRUB's core image", [
    ...["grub-mkimage", "--format", "i386-pc", "--directory", join(root, "usr/lib/grub/i386-pc")],
    ...[
      "--prefix",
      `(hd0,msdos1)/${flavour.grubDirectory}`,
      "--output",
      core,
      "biosdisk",
      "part_msdos",
      "ext2",
    ],
  ])
  return await readFile(core)
}
