import { createHash, randomUUID } from "node:crypto"
import { createReadStream } from "node:fs"
import { mkdir, open, readFile, rename, rm } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"

/** Where this machine keeps kernels that it downloaded or unpacked: $XDG_CACHE_HOME (by default ~/.cache)/pulumi-xen/kernels. */
export function cacheDirectory(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "pulumi-xen", "kernels")
}

export interface Stored {
  readonly path: string
  readonly sha256: string
  readonly size: number
}

/** More than this is no unikernel; it keeps a packed bomb from filling the disk. */
export const maxImageSize = 1024 ** 3

export class TooLargeError extends Error {
  override name = "TooLargeError"
}

/**
 * Writes the bytes into a folder under their own digest: aside first, renamed when whole, so that a file that is
 * there is right. Two writers of the same bytes do not disturb each other.
 */
export async function store(directory: string, chunks: AsyncIterable<Uint8Array>): Promise<Stored> {
  await mkdir(directory, { recursive: true })
  const aside = join(directory, `.${randomUUID()}`)
  const hash = createHash("sha256")
  let size = 0
  try {
    const file = await open(aside, "wx", 0o600)
    try {
      for await (const chunk of chunks) {
        size += chunk.length
        if (size > maxImageSize) throw new TooLargeError(`larger than ${maxImageSize / 1024 ** 2} MiB`)
        hash.update(chunk)
        await file.writeFile(chunk)
      }
    } finally {
      await file.close()
    }
    const sha256 = hash.digest("hex")
    const path = join(directory, sha256)
    await rename(aside, path)
    return { path, sha256, size }
  } finally {
    await rm(aside, { force: true })
  }
}

export async function digestFile(path: string): Promise<{ sha256: string; size: number }> {
  const hash = createHash("sha256")
  let size = 0
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    hash.update(chunk)
    size += chunk.length
  }
  return { sha256: hash.digest("hex"), size }
}

/** The file of that digest in the folder, if it is there and undamaged; a damaged one is removed. */
export async function stored(directory: string, sha256: string): Promise<Stored | undefined> {
  const path = join(directory, sha256)
  try {
    const found = await digestFile(path)
    if (found.sha256 === sha256) return { path, sha256, size: found.size }
    await rm(path, { force: true })
    return undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}

/** What a packed file unpacks to, by both digests. */
export async function rememberedImage(packedSha256: string): Promise<string | undefined> {
  try {
    const text = await readFile(join(cacheDirectory(), "unpacked", packedSha256), "utf8")
    return /^[0-9a-f]{64}$/.test(text) ? text : undefined
  } catch {
    return undefined
  }
}

export async function rememberImage(packedSha256: string, imageSha256: string): Promise<void> {
  const directory = join(cacheDirectory(), "unpacked")
  await mkdir(directory, { recursive: true })
  const aside = join(directory, `.${randomUUID()}`)
  const file = await open(aside, "wx")
  await file.writeFile(imageSha256)
  await file.close()
  await rename(aside, join(directory, packedSha256))
}
