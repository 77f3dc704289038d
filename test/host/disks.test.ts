import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test from "ava"
import { parseDisks } from "../../provider/host/facts/disks.ts"
import { readFacts } from "../../provider/host/facts/probe.ts"
import type { DiskFacts } from "../../provider/host/facts/types.ts"
import { SshConnection } from "../../provider/ssh/connection.ts"
import { lsblk } from "../helpers/lsblk.ts"
import { startSshd } from "../helpers/sshd.ts"
import { must } from "./helpers/run.ts"

interface Case {
  readonly title: string
  readonly devices: string
  readonly mounts?: string
  readonly swaps?: string
  readonly disks: readonly DiskFacts[]
}

const cases: readonly Case[] = [
  {
    title: "a disk, and a partition with the file system that is mounted",
    devices:
      "device=sda\nsectors=16\nnumber=8:0\ndevice=sda1\nsectors=8\nnumber=8:1\npartition=1\nfilesystem=ext4",
    mounts: "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
    disks: [
      { name: "sda", size: 8192, type: "disk" },
      { name: "sda1", size: 4096, type: "part", mountpoint: "/", filesystem: "ext4" },
    ],
  },
  {
    title: "a file system that udev does not know is known where it is mounted",
    devices: "device=vda\nsectors=2\nnumber=254:0",
    mounts: "22 1 254:0 / / rw - xfs /dev/root rw",
    disks: [{ name: "vda", size: 1024, type: "disk", mountpoint: "/", filesystem: "xfs" }],
  },
  {
    title:
      "what the device mapper makes, by its name there: a logical volume, a crypt, a multipath's partition",
    devices:
      "device=dm-0\nsectors=2\nnumber=253:0\nmapped=guests-my--data\nuuid=LVM-a1\nfilesystem=ext4\ndevice=dm-1\nsectors=2\nnumber=253:1\nmapped=luks-2\nuuid=CRYPT-LUKS2-b2\ndevice=dm-2\nsectors=2\nnumber=253:2\nmapped=wwn1-part1\nuuid=part1-mpath-c3\ndevice=dm-3\nsectors=2\nnumber=253:3\nmapped=plain",
    mounts: "40 22 253:0 / /srv/my\\040data rw - ext4 /dev/mapper/guests-my--data rw",
    disks: [
      {
        name: "guests-my--data",
        size: 1024,
        type: "lvm",
        mountpoint: "/srv/my data",
        filesystem: "ext4",
      },
      { name: "luks-2", size: 1024, type: "crypt" },
      { name: "wwn1-part1", size: 1024, type: "part" },
      { name: "plain", size: 1024, type: "dm" },
    ],
  },
  {
    title: "a RAID once, a loop device, a medium in a drive, a controller's name with a slash",
    devices:
      "device=md0\nsectors=2\nnumber=9:0\nlevel=raid1\ndevice=loop3\nsectors=2\nnumber=7:3\ndevice=sr0\nsectors=2\nnumber=11:0\ndevice=cciss!c0d0\nsectors=2\nnumber=104:0",
    disks: [
      { name: "md0", size: 1024, type: "raid1" },
      { name: "loop3", size: 1024, type: "loop" },
      { name: "sr0", size: 1024, type: "rom" },
      { name: "cciss/c0d0", size: 1024, type: "disk" },
    ],
  },
  {
    title: "btrfs, whose number is its own, by its path",
    devices: "device=sdb\nsectors=2\nnumber=8:16\nfilesystem=btrfs",
    mounts: "50 22 0:44 / /data rw - btrfs /dev/sdb rw",
    disks: [{ name: "sdb", size: 1024, type: "disk", mountpoint: "/data", filesystem: "btrfs" }],
  },
  {
    title: "where a file system is, before where a directory of it is",
    devices: "device=sdb\nsectors=2\nnumber=8:16",
    mounts: "50 22 8:16 /sub /elsewhere rw - ext4 /dev/sdb rw\n51 22 8:16 / /data rw - ext4 /dev/sdb rw",
    disks: [{ name: "sdb", size: 1024, type: "disk", mountpoint: "/data", filesystem: "ext4" }],
  },
  {
    title: "swap",
    devices:
      "device=sda2\nsectors=2\nnumber=8:2\npartition=2\ndevice=dm-7\nsectors=2\nnumber=253:7\nmapped=vg-swap\nuuid=LVM-x",
    swaps: "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n/dev/dm-7 partition 1 0 -3",
    disks: [
      { name: "sda2", size: 1024, type: "part", mountpoint: "[SWAP]", filesystem: "swap" },
      { name: "vg-swap", size: 1024, type: "lvm", mountpoint: "[SWAP]", filesystem: "swap" },
    ],
  },
  { title: "none", devices: "", disks: [] },
]

for (const { title, devices, mounts = "", swaps = "", disks } of cases)
  test(`of block devices is told: ${title}`, t => {
    const sections = new Map([
      ["devices", `${devices}\n`],
      ["value /proc/self/mountinfo", `${mounts}\n`],
      ["value /proc/swaps", `${swaps}\n`],
    ])
    t.deepEqual(parseDisks(sections), disks)
  })

test.serial("a machine's block devices are those of its own lsblk", async t => {
  const directory = await mkdtemp(join(tmpdir(), "disks-"))
  const server = await startSshd()
  const connection = await SshConnection.open(server.target)
  const run = (script: string) => must(["sh", "-euc", script, "sh", directory])
  const loops: string[] = []
  try {
    const made = await run(`
      cd "$1"
      truncate -s 3M mounted && mke2fs -q -t ext2 mounted && mkdir "a place"
      truncate -s 1M bare
      for file in mounted bare; do losetup --find --show $file; done`)
    loops.push(...made.trim().split("\n"))
    await run(`mount ${loops[0]} "$1/a place"`)
    const { disks } = (await readFacts(connection)).storage
    const theirs = await lsblk(command => must(["sh", "-c", command]))
    // What another test does meanwhile is none of this one's business, and without udev lsblk reads what lies on a disk.
    const ours = (all: readonly DiskFacts[]) =>
      all
        .filter(({ name, type }) => type !== "loop" || loops.includes(`/dev/${name}`))
        .map(({ name, size, type, mountpoint }) => ({ name, size, type, mountpoint }))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
    t.deepEqual(ours(disks), ours(theirs))
    const place = join(directory, "a place")
    t.like(
      disks.find(({ mountpoint }) => mountpoint === place),
      { size: 3 * 1024 * 1024, type: "loop", filesystem: "ext2" },
    )
  } finally {
    await run(`umount "$1/a place" || :; for loop in ${loops.join(" ")}; do losetup -d $loop; done`)
    await connection.close()
    await server.stop()
    await rm(directory, { recursive: true, force: true })
  }
})
