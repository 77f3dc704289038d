import { createReadStream } from "node:fs"
import { open, readFile } from "node:fs/promises"
import { Readable } from "node:stream"
import { createGunzip, createZstdDecompress } from "node:zlib"
import Bunzip from "seek-bzip"
import xz from "xz-decompress"

export type Packing = "gzip" | "bzip2" | "xz" | "zstd"

/** A packed file that does not unpack: cut off, or altered. */
export class UnpackError extends Error {
  override name = "UnpackError"
}

const signatures: readonly [Packing, string][] = [
  ["gzip", "1f8b"],
  ["bzip2", "425a68"],
  ["xz", "fd377a585a00"],
  ["zstd", "28b52ffd"],
]

/** How a file is packed, by its first bytes and not by its name; `undefined` for one that is not. */
export async function packingOf(path: string): Promise<Packing | undefined> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(6), 0, 6, 0)
    const start = buffer.toString("hex", 0, bytesRead)
    return signatures.find(([, signature]) => start.startsWith(signature))?.[0]
  } finally {
    await file.close()
  }
}

/** The unpacked bytes of a file; ends with `UnpackError` when they are not all there. */
export async function* unpack(path: string, packing: Packing): AsyncGenerator<Buffer> {
  try {
    if (packing === "bzip2") yield* unpackBzip2(await readFile(path))
    else for await (const chunk of unpacking(path, packing)) yield Buffer.from(chunk)
  } catch (error) {
    throw new UnpackError(`it does not unpack as ${packing} (${(error as Error).message})`)
  }
}

function unpacking(path: string, packing: Exclude<Packing, "bzip2">): AsyncIterable<Uint8Array> {
  const packed = createReadStream(path)
  if (packing === "xz") return new xz.XzReadableStream(Readable.toWeb(packed) as ReadableStream<Uint8Array>)
  const decoder = packing === "gzip" ? createGunzip() : createZstdDecompress()
  packed.on("error", error => decoder.destroy(error))
  return packed.pipe(decoder)
}

/** seek-bzip works in memory; it checks the checksums of every block and of the whole. */
function* unpackBzip2(packed: Buffer): Generator<Buffer> {
  yield Buffer.from(Bunzip.decode(packed, undefined, true))
}
