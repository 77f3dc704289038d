import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { isDeepStrictEqual } from "node:util"
import { accelerator } from "./accelerator.ts"
import { LabError } from "./errors.ts"
import type { FlavourName } from "./flavours.ts"
import { bareImage, type Hardware, snapshot } from "./image.ts"
import { bootInstance, createInstance, doorOf, type LabRecord } from "./instance.ts"
import { lock } from "./lock.ts"
import { type Forward, findMachine, type Machine } from "./machine.ts"
import { labsDirectory } from "./paths.ts"
import { programs, requirePrograms } from "./programs.ts"
import { step } from "./progress.ts"
import type { Door } from "./shell.ts"

/** What a lab is to be made of. What is left out is the default, or what a lab that is there has. */
export type LabOptions = {
  name: string
  flavour?: FlavourName | undefined
  hardware?: Hardware | undefined
  /** Ways to addresses behind the machine; port 0 is any free one. Default: `defaultForwards`. */
  forwards?: Forward[] | undefined
  /** Boot from the disk, where a snapshot of the booted machine would be faster. */
  boot?: boolean | undefined
}

/** To the web servers of three domains on the machine's bridge, at 10.0.2.20 and the two addresses after it. */
export const defaultForwards: Forward[] = [20, 21, 22].map(host => ({
  port: 0,
  address: `10.0.2.${host}`,
  to: 80,
}))

/** The default machine: 4 GiB, and two CPUs where KVM works. Emulated, two would wait for each other at every fork. */
export async function defaultHardware(): Promise<Hardware> {
  await requirePrograms(programs)
  const found = await accelerator()
  return { memory: 4096, cpus: found.kind === "kvm" ? 2 : 1, accelerator: found }
}

/** How a call of `up` ended. */
export type UpResult = { record: LabRecord; did: "created" | "started" | "nothing" }

/**
 * Brings the lab up: creates its machine, or starts the one that was shut down, or finds it running. The record
 * is written last, so a machine without one is half-made and is made anew.
 */
export async function up(options: LabOptions): Promise<UpResult> {
  await using _ = await lockLab(options.name)
  const known = await readRecord(options.name)
  if (!known) return { record: await create(options), did: "created" }
  refuseOther(known, options)
  const machine = await findMachine(directoryOf(options.name))
  if (machine && (await machine.state()) === "running") return { record: known, did: "nothing" }
  await machine?.powerCut()
  const { record } = await step(`Booting ${options.name}`, () => bootInstance(homeOf(options.name), known))
  return { record: await writeRecord(record), did: "started" }
}

/** Makes the machine bare again, with the same keys and ports. */
export async function reset(name: string): Promise<LabRecord> {
  await using _ = await lockLab(name)
  const { hardware, wishedForwards, flavour, ...former } = await requireRecord(name)
  return create({ name, hardware, forwards: wishedForwards, flavour: flavour as FlavourName }, former)
}

/** Shuts the lab's machine down, and nothing else; with `remove` its disk and keys go, too. */
export async function down(name: string, options: { remove: boolean }): Promise<void> {
  await using _ = await lockLab(name)
  const directory = directoryOf(name)
  const machine = await findMachine(directory)
  if (options.remove) {
    await machine?.powerCut()
    await rm(directory, { recursive: true, force: true })
  } else {
    await requireRecord(name)
    await step(`Shutting ${name} down`, async () => machine?.powerOff())
  }
}

/** All labs with what they are doing: QEMU's run state, or `stopped`. */
export async function status(): Promise<(LabRecord & { state: string; pid?: number })[]> {
  const names = await readdir(labsDirectory()).catch(() => [])
  const records = await Promise.all(names.sort().map(readRecord))
  return await Promise.all(
    records
      .filter(record => record !== undefined)
      .map(async record => {
        const machine = await findMachine(directoryOf(record.name))
        return machine
          ? { ...record, state: await machine.state(), pid: machine.pid }
          : { ...record, state: "stopped" }
      }),
  )
}

/** The running machine of a lab and the way to it. */
export async function enter(name: string): Promise<{ machine: Machine; door: Door }> {
  const record = await requireRecord(name)
  const machine = await findMachine(directoryOf(name))
  const remedy = `Run: npm run lab -- up --name ${name}`
  if (!machine) throw new LabError(`reach the lab ${name}`, "its machine is stopped", remedy)
  return { machine, door: doorOf(record, directoryOf(name)) }
}

async function create(
  options: LabOptions,
  former?: Pick<LabRecord, "port" | "forwards">,
): Promise<LabRecord> {
  const { name, flavour = "debian", forwards = defaultForwards } = options
  const home = homeOf(name)
  const bare = await bareImage(flavour, options.hardware ?? (await defaultHardware()))
  const image = options.boot ? bare : await snapshot(bare)
  await (await findMachine(home.directory))?.powerCut()
  await sweep(home.directory)
  const { record } = await step(`Machine ${name}`, () =>
    createInstance(home, image, { flavour, forwards, former }),
  )
  return await writeRecord(record)
}

/** A machine that is there is not made into another one on the way. */
function refuseOther(known: LabRecord, { name, flavour, hardware, forwards }: LabOptions): void {
  const differing = Object.entries({
    flavour: flavour && flavour !== known.flavour,
    memory: hardware && hardware.memory !== known.hardware.memory,
    cpus: hardware && hardware.cpus !== known.hardware.cpus,
    forward: forwards && !isDeepStrictEqual(forwards, known.wishedForwards),
  }).filter(([, differs]) => differs)
  if (differing.length === 0) return
  throw new LabError(
    `start the lab ${name}`,
    `it is there already, with another ${differing.map(([what]) => what).join(" and ")}`,
    `Choose another --name, or delete it: npm run lab -- down --remove --name ${name}`,
  )
}

/** Removes all of a lab but its keys: a machine that is made anew keeps its identity. */
async function sweep(directory: string): Promise<void> {
  await rm(join(directory, "lab.json"), { force: true })
  const names = await readdir(directory).catch(() => [])
  for (const name of names) {
    if (name !== "keys") await rm(join(directory, name), { recursive: true, force: true })
  }
}

const homeOf = (name: string) => ({ name, directory: directoryOf(name), tied: false })

const directoryOf = (name: string) => join(labsDirectory(), name)

const lockLab = (name: string) =>
  lock(`lab-${name}`, holder =>
    process.stderr.write(`Waiting for ${holder}, which works on the lab ${name}.\n`),
  )

async function readRecord(name: string): Promise<LabRecord | undefined> {
  try {
    return JSON.parse(await readFile(join(directoryOf(name), "lab.json"), "utf8"))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}

async function requireRecord(name: string): Promise<LabRecord> {
  const record = await readRecord(name)
  if (record) return record
  throw new LabError(
    `find the lab ${name}`,
    "there is none of that name",
    `Run: npm run lab -- up --name ${name}`,
  )
}

async function writeRecord(record: LabRecord): Promise<LabRecord> {
  const file = join(directoryOf(record.name), "lab.json")
  await mkdir(directoryOf(record.name), { recursive: true })
  await writeFile(`${file}.new`, `${JSON.stringify(record, null, 2)}\n`)
  await rename(`${file}.new`, file)
  return record
}
