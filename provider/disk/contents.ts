import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { openDiskImage } from "../kernel/image.ts"
import { Asset } from "../rpc/value.ts"
import type { Secret } from "../secret.ts"
import { fatImage, ImageTooSmallError } from "./fat/image.ts"
import { type ImageFile, ImagePathError } from "./fat/tree.ts"

const MiB = 1024 * 1024
const SECTOR = 512

/** What an image is made from. */
export interface Recipe {
  readonly format: "fat" | "raw"
  readonly files?: { readonly [path: string]: string | Asset } | undefined
  readonly secrets?: Secret<{ readonly [path: string]: string }> | undefined
  /** A whole image, as it is. */
  readonly source?: string | Asset | undefined
  /** MiB. */
  readonly size?: number | undefined
  readonly sha256?: string | undefined
}

/** An image on this machine: bytes made here, or the file that was given. */
export interface DiskImage {
  readonly content: Uint8Array | string
  readonly digest: string
  readonly size: number
}

/** The image cannot be made. The message is a sentence; `input` is the input to put right. */
export class DiskImageError extends Error {
  override readonly name = "DiskImageError"
  readonly input: "files" | "source" | "size"

  constructor(input: DiskImageError["input"], message: string) {
    super(message)
    this.input = input
  }
}

/** Makes the image: the same recipe gives the same bytes. Nothing of it is written to this machine's disk. */
export async function makeImage(recipe: Recipe, options: { signal?: AbortSignal } = {}): Promise<DiskImage> {
  if (recipe.source !== undefined) return open(recipe.source, recipe.sha256, options)
  const files = await readFiles(recipe)
  const content = recipe.format === "fat" ? fat(files, recipe.size) : raw(files, recipe.size)
  return { content, digest: createHash("sha256").update(content).digest("hex"), size: content.length }
}

async function open(source: string | Asset, sha256: string | undefined, options: { signal?: AbortSignal }) {
  try {
    const { path, sha256: digest, size } = await openDiskImage(source, { ...options, sha256 })
    return { content: path, digest, size }
  } catch (error) {
    if (options.signal?.aborted) throw error
    throw new DiskImageError("source", (error as Error).message)
  }
}

async function readFiles({ files = {}, secrets }: Recipe): Promise<ImageFile[]> {
  const hidden = Object.entries(secrets?.reveal() ?? {}).map(([path, text]) => ({
    path,
    content: Buffer.from(text),
  }))
  const open = Object.entries(files).map(async ([path, content]) => ({
    path,
    content: await bytesOf(path, content),
  }))
  return [...(await Promise.all(open)), ...hidden]
}

async function bytesOf(path: string, content: string | Asset): Promise<Uint8Array> {
  if (!(content instanceof Asset)) return Buffer.from(content)
  const { source } = content
  if ("text" in source) return Buffer.from(source.text)
  if ("uri" in source)
    throw new DiskImageError(
      "files",
      `files[${JSON.stringify(path)}] is at ${source.uri}; give it as a file of this machine`,
    )
  try {
    return await readFile(source.path)
  } catch (error) {
    throw new DiskImageError(
      "files",
      `files[${JSON.stringify(path)}] cannot be read from ${source.path} (${(error as NodeJS.ErrnoException).code})`,
    )
  }
}

function fat(files: readonly ImageFile[], size: number | undefined): Buffer {
  try {
    return fatImage(files, size === undefined ? undefined : size * MiB)
  } catch (error) {
    if (error instanceof ImagePathError) throw new DiskImageError("files", error.message)
    if (error instanceof ImageTooSmallError) throw new DiskImageError("size", error.message)
    throw error
  }
}

/** One file's bytes from the first sector on, and zeros after them. */
function raw(files: readonly ImageFile[], size: number | undefined): Buffer {
  const [file, ...more] = files
  if (file === undefined || more.length > 0)
    throw new DiskImageError("files", `a raw image is made from one file, and there are ${files.length}`)
  const length = size === undefined ? Math.ceil(file.content.length / SECTOR) * SECTOR : size * MiB
  if (file.content.length > length)
    throw new DiskImageError(
      "size",
      `an image of ${size} MiB is too small for ${JSON.stringify(file.path)}: it needs ${Math.ceil(file.content.length / MiB)} MiB`,
    )
  const image = Buffer.alloc(length)
  image.set(file.content)
  return image
}
