import { readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import { Asset } from "../rpc/value.ts"
import {
  cacheDirectory,
  digestFile,
  rememberedImage,
  rememberImage,
  type Stored,
  store,
  stored,
  TooLargeError,
} from "./cache.ts"
import { DownloadError, download } from "./download.ts"
import { inspectKernelBytes, type KernelFacts, NotAKernelError } from "./elf.ts"
import { packingOf, UnpackError, unpack } from "./unpack.ts"

/** A kernel image on this machine, unpacked, ready to be sent. */
export interface KernelImage extends KernelFacts {
  /** The unpacked file: the source itself, or its copy in the cache. */
  readonly path: string
  /** SHA-256 of the unpacked image, in hexadecimal: the kernel's identity everywhere. */
  readonly digest: string
  /** Bytes of the unpacked image. */
  readonly size: number
}

/** The source cannot be used. The message is a sentence: which source, what was seen, what to do. */
export class KernelSourceError extends Error {
  override name = "KernelSourceError"
}

export interface OpenOptions {
  /** SHA-256 that the file must have, as it lies there or unpacked. An address needs one. */
  readonly sha256?: string | undefined
  readonly signal?: AbortSignal
  readonly onProgress?: (message: string) => void
}

/**
 * Opens a kernel from a file, a Pulumi asset or an https address; unpacks it where it is packed (gzip, bzip2, xz,
 * zstd, told by content); says what it is. What was downloaded or unpacked is kept by digest, so the next time
 * costs one reading of the file.
 */
export async function openKernel(source: string | Asset, options: OpenOptions = {}): Promise<KernelImage> {
  const name = `kernel ${describeSource(source)}`
  try {
    const image = await open(name, source, options)
    const facts = inspectKernelBytes(await readFile(image.path))
    return { ...facts, path: image.path, digest: image.sha256, size: image.size }
  } catch (error) {
    throw explain(name, error)
  }
}

/** The same for a disk's image, which may hold anything. */
export async function openDiskImage(source: string | Asset, options: OpenOptions = {}): Promise<Stored> {
  const name = `disk image ${describeSource(source)}`
  try {
    return await open(name, source, options)
  } catch (error) {
    throw explain(name, error)
  }
}

async function open(name: string, source: string | Asset, options: OpenOptions): Promise<Stored> {
  const file = await locate(name, source, options)
  const image = await unpackedImage(file)
  if (options.sha256 !== undefined && options.sha256 !== file.sha256 && options.sha256 !== image.sha256) {
    throw new KernelSourceError(
      `${name} has the SHA-256 ${file.sha256}, and ${options.sha256} was asked for; ` +
        "give the digest of the file that is meant, or the file that has this digest",
    )
  }
  return image
}

/** The kernel of that digest, if an earlier reading left it in the cache. */
export function cachedKernel(digest: string): Promise<Stored | undefined> {
  return stored(images(), digest)
}

const images = (): string => join(cacheDirectory(), "images")
const downloads = (): string => join(cacheDirectory(), "downloads")

async function locate(name: string, source: string | Asset, options: OpenOptions): Promise<Stored> {
  const where =
    source instanceof Asset
      ? source.source
      : /^[a-z][a-z0-9+.-]*:\/\//i.test(source)
        ? { uri: source }
        : { path: source }
  if ("text" in where) return store(images(), oneChunk(where.text))
  if ("path" in where) return readLocal(where.path)
  if (where.uri.startsWith("file://")) return readLocal(new URL(where.uri).pathname)
  if (!where.uri.startsWith("https://")) {
    throw new KernelSourceError(
      `${name} must come from a file or by https, where nobody can alter it on its way`,
    )
  }
  if (options.sha256 === undefined) {
    throw new KernelSourceError(
      `${name} needs sha256 beside its address: only the digest says that the download is what is meant`,
    )
  }
  const known = (await stored(downloads(), options.sha256)) ?? (await stored(images(), options.sha256))
  return known ?? download(where.uri, downloads(), options)
}

async function* oneChunk(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text, "utf8")
}

async function readLocal(path: string): Promise<Stored> {
  const about = await stat(path)
  if (about.isDirectory()) throw new NotAKernelError("a directory; name the file in it")
  if (!about.isFile()) throw new NotAKernelError("no ordinary file")
  if (about.size === 0) throw new NotAKernelError("empty; was its build interrupted?")
  return { path, ...(await digestFile(path)) }
}

async function unpackedImage(file: Stored): Promise<Stored> {
  const packing = await packingOf(file.path)
  if (packing === undefined) return file
  const known = await rememberedImage(file.sha256)
  const image =
    (known && (await stored(images(), known))) || (await store(images(), unpack(file.path, packing)))
  await rememberImage(file.sha256, image.sha256)
  return image
}

function describeSource(source: string | Asset): string {
  if (typeof source === "string") return JSON.stringify(source).slice(1, -1)
  if ("path" in source.source) return JSON.stringify(source.source.path).slice(1, -1)
  return "uri" in source.source ? source.source.uri : "given as text"
}

function explain(name: string, error: unknown): unknown {
  if (error instanceof NotAKernelError || error instanceof TooLargeError) {
    return new KernelSourceError(`${name} is ${error.message}`)
  }
  if (error instanceof UnpackError) {
    return new KernelSourceError(
      `${name} is cut off or altered: ${error.message}; build it or fetch it again`,
    )
  }
  if (error instanceof DownloadError)
    return new KernelSourceError(`${name} cannot be downloaded: ${error.message}`)
  const code = error instanceof Error && "code" in error ? error.code : undefined
  if (code === "ENOENT") return new KernelSourceError(`${name} does not exist; was it built?`)
  if (code === "EACCES") return new KernelSourceError(`${name} cannot be read: permission denied`)
  if (code === "ENAMETOOLONG" || code === "ERR_INVALID_ARG_VALUE") {
    return new KernelSourceError(`${name.slice(0, 70)}… is no path of a file`)
  }
  return error
}
