import { createHash } from "node:crypto"
import { mkdir, readdir, readFile, rename, rm, stat, statfs } from "node:fs/promises"
import { join } from "node:path"
import { DiskFull } from "./errors.ts"
import { lock } from "./lock.ts"
import { imagesDirectory } from "./paths.ts"
import type { Report } from "./progress.ts"

/** Something to be built once into a directory of its own. */
export type Recipe = {
  /** Begins the directory's name and tells what it is. */
  name: string
  /** All that the result depends on. */
  inputs: unknown
  /** Room it takes at most, in bytes. */
  room: number
  build(work: string): Promise<void>
}

/**
 * The directory of the finished thing, built now if need be. One process builds and the others wait. It is built
 * aside and renamed when complete, so a directory under its own name is whole; what a killed build left
 * is swept away by the next.
 */
export async function cached(recipe: Recipe, report: Report): Promise<string> {
  const name = `${recipe.name}-${digest(JSON.stringify(recipe.inputs)).slice(0, 16)}`
  const finished = join(imagesDirectory(), name)
  if (await isDirectory(finished)) return finished
  await using _ = await lock(recipe.name, holder => report(`waiting for ${holder}, which builds it`))
  if (await isDirectory(finished)) return finished
  await sweepKilledBuilds(recipe.name)
  const work = `${finished}.building`
  await mkdir(work, { recursive: true })
  const wanted = `build the image ${recipe.name}`
  try {
    await requireRoom(wanted, imagesDirectory(), recipe.room)
    await recipe.build(work)
    await rename(work, finished)
  } catch (error) {
    const left = await room(imagesDirectory())
    await rm(work, { recursive: true, force: true })
    // A program that ran out of room says so in its own words; the cause is better seen in the file system.
    if (left < 2 ** 24 && !(error instanceof DiskFull)) {
      throw new DiskFull(wanted, imagesDirectory(), left, recipe.room)
    }
    throw error
  }
  return finished
}

/** Under the recipe's lock nobody else builds it, so what is being built is what a killed process left. */
async function sweepKilledBuilds(name: string): Promise<void> {
  const leftover = new RegExp(`^${name}-[0-9a-f]{16}\\.building$`)
  const names = await readdir(imagesDirectory()).catch(() => [])
  for (const found of names.filter(name => leftover.test(name))) {
    // What a program of the killed one had begun may go on for a moment, and write into what is swept.
    const patience = { maxRetries: 10, retryDelay: 200 }
    await rm(join(imagesDirectory(), found), { recursive: true, force: true, ...patience })
  }
}

/** Throws `DiskFull` unless the file system of `directory` has that many bytes left for this user. */
export async function requireRoom(wanted: string, directory: string, needed: number): Promise<void> {
  await mkdir(directory, { recursive: true })
  const available = await room(directory)
  if (available < needed) throw new DiskFull(wanted, directory, available, needed)
}

/** A digest of all files below a directory, as git keeps them: their paths, bytes, and whether they are programs. */
export async function digestTree(directory: string): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => !entry.isDirectory()).map(entry => join(entry.parentPath, entry.name))
  const parts = files.sort().map(async file => {
    const { mode } = await stat(file)
    return `${file.slice(directory.length)} ${mode & 0o100} ${digest(await readFile(file))}`
  })
  return digest((await Promise.all(parts)).join("\n"))
}

export const digest = (data: string | Buffer): string => createHash("sha256").update(data).digest("hex")

async function room(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}

const isDirectory = (path: string) =>
  stat(path).then(
    found => found.isDirectory(),
    () => false,
  )
