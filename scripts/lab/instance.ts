import { mkdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import type { LabHost, RpmRepositories } from "../../hosts/lab.ts"
import { keyFingerprint } from "../../provider/host/packages/openpgp.ts"
import { xenOptionsFor } from "./accelerator.ts"
import { requireRoom } from "./cache.ts"
import { MachineStopped } from "./errors.ts"
import { type Hardware, type Image, makeOverlay, specOf } from "./image.ts"
import { makeKeys, publicKey } from "./keys.ts"
import { type Forward, type Machine, packagesAddress, startMachine } from "./machine.ts"
import { freePort, isFree, requireFree } from "./ports.ts"
import { type Door, waitForSsh } from "./shell.ts"
import { takeOver } from "./takeover.ts"

/** What is kept of a machine: the inventory's part, and what starts it again. */
export type LabRecord = LabHost & {
  hardware: Hardware
  /** `forwards` as they were wished for: port 0 is any free one. */
  wishedForwards: Forward[]
  repositoriesDirectory?: string
}

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

/**
 * A new machine from an image: its own overlay disk and keys, answering over ssh. A forward's port 0 is any free
 * one. `former` are ports that the machine had before, for ssh and the forwards: it gets them again where they are free.
 */
export async function createInstance(
  home: Home,
  image: Image,
  wish: { flavour: string; forwards: Forward[]; former?: Ports | undefined },
): Promise<Instance> {
  const keys = join(home.directory, "keys")
  await mkdir(home.directory, { recursive: true })
  await requireRoom(`start the lab ${home.name}`, home.directory, 2 ** 28)
  await makeKeys(keys)
  await makeOverlay(image, join(home.directory, "disk.qcow2"))
  const { hardware, repositories } = image
  const wanted: Wanted = { hardware, forwards: wish.forwards, repositories, former: wish.former }
  const start = (memory?: string) => power(home, { ...wanted, memory })
  // A state that this QEMU cannot read costs the boot that it was to save, and no more.
  const { machine, port, forwards } = await start(image.memory).catch(error => {
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
      forwards,
      wishedForwards: wish.forwards,
      hardware,
      ...(repositories && { repositoriesDirectory: repositories, ...(await rpmInventory(repositories)) }),
    },
  }
}

/** Boots a machine that was shut down or cut off, from its own disk. */
export async function bootInstance(home: Home, record: LabRecord): Promise<Instance> {
  await requireRoom(`start the lab ${home.name}`, home.directory, 2 ** 28)
  const { hardware, wishedForwards, repositoriesDirectory } = record
  const wanted = { hardware, forwards: wishedForwards, repositories: repositoriesDirectory, former: record }
  const { machine, port, forwards } = await power(home, wanted)
  await waitForSsh(machine, port)
  return { machine, record: { ...record, port, forwards } }
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

/** What an ordinary Packages resource needs to take Xen from the signed repository in `directory` (`repository.ts`). */
export async function rpmInventory(directory: string): Promise<Pick<LabHost, "packages" | "repositories">> {
  const armoured = await readFile(join(directory, "RPM-GPG-KEY-lab"), "utf8")
  const key = { armoured, fingerprint: keyFingerprint(armoured) }
  return {
    packages: { repositories: [{ name: "lab", url: repositoryUrls.signed, key }] },
    repositories: repositoryUrls,
  }
}

/** The ports of 127.0.0.1 that lead to a machine: to its sshd, and behind it. */
type Ports = { port: number; forwards: Forward[] }

type Wanted = {
  hardware: Hardware
  forwards: Forward[]
  repositories?: string | undefined
  former?: Ports | undefined
  memory?: string | undefined
}

/** Starts QEMU on ports that are free: the former ones where we may choose, or else others. */
async function power(home: Home, wanted: Wanted): Promise<Ports & { machine: Machine }> {
  const goal = `start the lab ${home.name}`
  const { hardware, repositories, former, memory } = wanted
  const choose = async (port = 0) => (port && (await isFree(port)) ? port : await freePort())
  const forwards: Forward[] = []
  for (const [index, wish] of wanted.forwards.entries()) {
    if (wish.port) await requireFree(goal, wish.port)
    forwards.push({ ...wish, port: wish.port || (await choose(former?.forwards[index]?.port)) })
  }
  const port = await choose(former?.port)
  const spec = specOf(home.directory, "disk.qcow2", "qcow2", hardware, port, repositories)
  try {
    const machine = await startMachine(
      { ...spec, forwards: [...spec.forwards, ...forwards], ...(memory ? { memoryState: memory } : {}) },
      { tied: home.tied },
    )
    return { machine, port, forwards }
  } catch (error) {
    // Between our look and QEMU's bind somebody may have taken one.
    const all = await Promise.all(
      [port, ...forwards.map(forward => forward.port)].map(taken => isFree(taken)),
    )
    if (all.every(Boolean)) throw error
    return power(home, { ...wanted, former: undefined })
  }
}
