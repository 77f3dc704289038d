import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import type { LabHost, RpmRepositories } from "../../hosts/lab.ts"
import { xenOptionsFor } from "./accelerator.ts"
import { requireRoom } from "./cache.ts"
import { MachineStopped } from "./errors.ts"
import { type Hardware, type Image, makeOverlay, specOf } from "./image.ts"
import { makeKeys, publicKey } from "./keys.ts"
import { type Forward, type Machine, packagesAddress, startMachine } from "./machine.ts"
import { freePort, requireFree } from "./ports.ts"
import { type Door, waitForSsh } from "./shell.ts"
import { takeOver } from "./takeover.ts"

/** What is kept of a machine: the inventory's part, and what starts it again. */
export type LabRecord = LabHost & { hardware: Hardware; repositoriesDirectory?: string }

/** A machine that answers over ssh. */
export type Instance = { machine: Machine; record: LabRecord }

/** Where a machine lives, and how long. */
export type Home = {
  name: string
  /** Holds its disk, keys, logs and sockets. */
  directory: string
  /** Whether it dies with this process. */
  tied: boolean
}

/** A new machine from an image: its own overlay disk and keys, answering over ssh. `port` is wished for ssh. */
export async function createInstance(
  home: Home,
  image: Image,
  wish: { flavour: string; forwards: Forward[]; port?: number | undefined },
): Promise<Instance> {
  const keys = join(home.directory, "keys")
  await mkdir(home.directory, { recursive: true })
  await requireRoom(`start the lab ${home.name}`, home.directory, 2 ** 28)
  await makeKeys(keys)
  await makeOverlay(image, join(home.directory, "disk.qcow2"))
  const { hardware, repositories } = image
  const wanted: Wanted = { hardware, forwards: wish.forwards, repositories, port: wish.port }
  const start = (memory?: string) => power(home, { ...wanted, memory })
  // A state that this QEMU cannot read costs the boot that it was to save, and no more.
  const { machine, port } = await start(image.memory).catch(error => {
    if (image.memory && error instanceof MachineStopped) return start()
    throw error
  })
  await waitForSsh(machine, port)
  await takeOver({ port, keys: image.keys }, { port, keys })
  return {
    machine,
    record: {
      name: home.name,
      flavour: wish.flavour,
      host: "127.0.0.1",
      port,
      user: "root",
      hostKey: await publicKey(keys, "host_ed25519"),
      privateKeyPath: join(keys, "id_ed25519"),
      uplink: "eth0",
      xenOptions: xenOptionsFor(hardware.accelerator),
      forwards: wish.forwards,
      hardware,
      ...(repositories ? { repositoriesDirectory: repositories, repositories: repositoryUrls } : {}),
    },
  }
}

/** Boots a machine that was shut down or cut off, from its own disk. */
export async function bootInstance(home: Home, record: LabRecord): Promise<Instance> {
  await requireRoom(`start the lab ${home.name}`, home.directory, 2 ** 28)
  const { machine, port } = await power(home, { ...record, repositories: record.repositoriesDirectory })
  await waitForSsh(machine, port)
  return { machine, record: { ...record, port } }
}

/** The way into a machine. */
export const doorOf = (record: LabRecord, directory: string): Door => ({
  port: record.port,
  keys: join(directory, "keys"),
})

const base = `http://${packagesAddress}/rpm`

const repositoryUrls: RpmRepositories = {
  signed: `${base}/signed`,
  key: `${base}/RPM-GPG-KEY-lab`,
  unsigned: `${base}/unsigned`,
  altered: `${base}/altered`,
}

type Wanted = {
  hardware: Hardware
  forwards: Forward[]
  repositories?: string | undefined
  port?: number | undefined
  memory?: string | undefined
}

/** Starts QEMU on a port for ssh that is free: the wanted one, or else another. */
async function power(home: Home, wanted: Wanted): Promise<{ machine: Machine; port: number }> {
  const goal = `start the lab ${home.name}`
  const { hardware, forwards, repositories, memory } = wanted
  for (const forward of forwards) await requireFree(goal, forward.port)
  const isFree = (port: number) =>
    requireFree(goal, port).then(
      () => true,
      () => false,
    )
  const port = wanted.port && (await isFree(wanted.port)) ? wanted.port : await freePort()
  const spec = specOf(home.directory, "disk.qcow2", "qcow2", hardware, port, repositories)
  try {
    const machine = await startMachine(
      { ...spec, forwards: [...spec.forwards, ...forwards], ...(memory ? { memoryState: memory } : {}) },
      { tied: home.tied },
    )
    return { machine, port }
  } catch (error) {
    // Between our look and QEMU's bind somebody may have taken it.
    if (await isFree(port)) throw error
    return power(home, { ...wanted, port: undefined })
  }
}
