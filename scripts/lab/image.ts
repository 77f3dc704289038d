import { cp, mkdir, readFile, rm } from "node:fs/promises"
import { basename, dirname, join, relative } from "node:path"
import type { Accelerator } from "./accelerator.ts"
import { cached, digestTree } from "./cache.ts"
import { buildDisk } from "./disk.ts"
import { type Flavour, type FlavourName, flavours, treeDirectory } from "./flavours.ts"
import { makeKeys } from "./keys.ts"
import { guestAddress, type Machine, type MachineSpec, qemuArguments, startMachine } from "./machine.ts"
import { freePort } from "./ports.ts"
import { step } from "./progress.ts"
import { buildRepositories } from "./repository.ts"
import { buildRootfs, debsDirectory } from "./rootfs.ts"
import { run } from "./run.ts"
import { type Door, runScript, waitForSsh } from "./shell.ts"

/** A finished disk that machines start from, each on an overlay of its own. */
export type Image = {
  /** What it is, as in its directory's name. */
  name: string
  directory: string
  /** A qcow2 file that is never written again. */
  disk: string
  /** The memory of a machine that runs on that disk, where the image is a snapshot. */
  memory?: string
  /** The keys it answers to at first (`keys.ts`). */
  keys: string
  /** The RPM repositories that are served to its machines. */
  repositories?: string
  hardware: Hardware
}

/** What a snapshot is bound to. */
export type Hardware = {
  /** MiB. */
  memory: number
  cpus: number
  accelerator: Accelerator
}

/** Turns a running machine into another one before its snapshot is taken. */
export type Provision = {
  name: string
  /** All that `apply` depends on. */
  inputs: unknown
  apply(machine: Machine, door: Door): Promise<void>
}

const gibibyte = 2 ** 30

/** The bare disk of a flavour: installed, booted once by its own GRUB, and shut down. */
export async function bareImage(name: FlavourName, hardware: Hardware): Promise<Image> {
  const flavour: Flavour = flavours[name]
  const sources = [
    ...["rootfs.ts", "disk.ts"],
    ...(flavour.repository ? ["repository.ts", "specs.ts"] : []),
  ].map(file => readFile(join(import.meta.dirname, file), "utf8"))
  const trees = flavour.trees.map(tree => digestTree(treeDirectory(tree)))
  const inputs = [flavour, await Promise.all(trees), await Promise.all(sources)]
  const directory = await step(`Bare ${name} disk`, report =>
    cached({ name, inputs, room: 5 * gibibyte, build }, report),
  )
  const image = imageIn(directory, name, hardware)
  return flavour.repository ? { ...image, repositories: repositoriesIn(directory) } : image

  async function build(work: string): Promise<void> {
    const keys = join(work, "keys")
    await makeKeys(keys)
    const tar = await step("Debian's packages", () => buildRootfs(flavour, keys, work))
    if (flavour.repository) {
      await step("RPM repositories", () => buildRepositories(debsDirectory(work), repositoriesIn(work), work))
      await rm(debsDirectory(work), { recursive: true })
    }
    const disk = await step("File system and GRUB", () => buildDisk(flavour, tar, work))
    await step("First boot", () => firstBoot(flavour, work, disk, keys, hardware))
    await run("pack the disk", ["qemu-img", "convert", "-O", "qcow2", disk, join(work, "disk.qcow2")])
    for (const leftover of ["rootfs.tar", "overlay.tar", "overlay", "core.img", "disk.raw"]) {
      await rm(join(work, leftover), { recursive: true })
    }
  }
}

async function firstBoot(flavour: Flavour, work: string, disk: string, keys: string, hardware: Hardware) {
  const door = { port: await freePort(), keys }
  await using place = await scratch(work)
  const served = flavour.repository && repositoriesIn(work)
  const spec = specOf(place.directory, disk, "raw", hardware, door.port, served)
  const machine = await startMachine(spec, { tied: true })
  try {
    await waitForSsh(machine, door.port)
    await runScript("finish the bare machine", door, flavour.firstBoot)
    await machine.powerOff()
  } finally {
    await machine.powerCut()
  }
}

/**
 * A snapshot of a machine that booted from `parent` and, if told so, was provisioned. Starting from it takes
 * seconds. It holds for one kind of hardware and one version of QEMU.
 */
export async function snapshot(parent: Image, provision: Provision = asItBooted): Promise<Image> {
  const { hardware } = parent
  const name = `${parent.name}-${provision.name}`
  const version = await run("ask QEMU's version", ["qemu-system-x86_64", "--version"])
  // Its paths and ports are this checkout's and this moment's.
  const { packages: _, ...spec } = specOf("/", "disk", "qcow2", hardware, 22)
  const inputs = [basename(parent.directory), version, qemuArguments(spec), provision.inputs]
  const directory = await step(`Snapshot ${name}`, report =>
    cached({ name, inputs, room: 3 * gibibyte, build }, report),
  )
  return { ...parent, ...imageIn(directory, name, hardware), memory: join(directory, "memory") }

  async function build(work: string): Promise<void> {
    const keys = join(work, "keys")
    await cp(parent.keys, keys, { recursive: true })
    const disk = join(work, "disk.qcow2")
    await makeOverlay(parent, disk)
    const door = { port: await freePort(), keys }
    await using place = await scratch(work)
    const spec = specOf(place.directory, disk, "qcow2", hardware, door.port, parent.repositories)
    const machine = await startMachine(spec, { tied: true })
    try {
      await waitForSsh(machine, door.port)
      await provision.apply(machine, door)
      await runScript("settle the machine", door, "systemctl is-system-running --wait || true\nsync\n")
      await machine.saveMemory(join(work, "memory"))
    } finally {
      await machine.powerCut()
    }
  }
}

/** A place for the sockets and logs of a machine that serves the build alone. */
async function scratch(work: string) {
  const directory = join(work, "machine")
  await mkdir(directory)
  return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) }
}

const asItBooted: Provision = { name: "booted", inputs: [], apply: async () => {} }

/** An empty disk over the image's: what the machine writes lands there. */
export async function makeOverlay(image: Image, overlay: string): Promise<void> {
  // A relative path, so that the cache can be moved.
  const backing = relative(dirname(overlay), image.disk)
  await run("make the overlay disk", [
    ...["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", backing, overlay],
  ])
}

/** The machine as QEMU is told about it; forwards beyond the one for ssh come after it. */
export const specOf = (
  directory: string,
  disk: string,
  format: "qcow2" | "raw",
  hardware: Hardware,
  sshPort: number,
  repositories?: string,
): MachineSpec => ({
  directory,
  disk,
  format,
  ...hardware,
  forwards: [{ port: sshPort, address: guestAddress, to: 22 }],
  packages: [process.execPath, join(import.meta.dirname, "packages.ts"), repositories ?? ""],
})

const imageIn = (directory: string, name: string, hardware: Hardware): Image => ({
  name,
  directory,
  disk: join(directory, "disk.qcow2"),
  keys: join(directory, "keys"),
  hardware,
})

const repositoriesIn = (directory: string) => join(directory, "repositories")
