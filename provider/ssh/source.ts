import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { stat } from "node:fs/promises"
import { hostname } from "node:os"
import type { UploadSource } from "./contract.ts"
import { uploadError } from "./place.ts"
import { CHUNK } from "./transfer.ts"

/** What is to be sent: a local file, never held in memory whole, or bytes. */
export interface Source {
  size: number
  /** Equal for equal bytes only: of bytes their digest, of a file what changes when it is written. */
  identity: string
  /** The bytes from an offset to an end, in large pieces. */
  read(start: number, end: number): AsyncIterable<Buffer> | Iterable<Buffer>
}

/** A whole number of WRITEs, so that none is small. */
const PIECE = 4 * CHUNK

/** @param path where it is to lie, for the error of a source that cannot be read */
export async function openSource(host: string, source: UploadSource, path: string): Promise<Source> {
  if (typeof source !== "string") {
    const bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength)
    const identity = createHash("sha256").update(bytes).digest("hex")
    return { size: bytes.length, identity, read: (start, end) => pieces(bytes.subarray(start, end)) }
  }
  const stats = await stat(source, { bigint: true }).catch(error => {
    throw uploadError(host, "source", path, `${source}: ${REASONS[error.code] ?? error.code}`, error)
  })
  if (!stats.isFile()) {
    const what = stats.isDirectory() ? "it is a directory" : "it is no regular file"
    throw uploadError(host, "source", path, `${source}: ${what}`)
  }
  return {
    size: Number(stats.size),
    identity: [hostname(), stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(" "),
    // `end` is inclusive there, and a stream of nothing cannot be asked for.
    read: (start, end) =>
      start >= end ? [] : createReadStream(source, { start, end: end - 1, highWaterMark: PIECE }),
  }
}

const REASONS: Record<string, string> = {
  ENOENT: "there is no such file",
  EACCES: "this user may not read it",
  ENOTDIR: "a part of the path is no directory",
}

function* pieces(bytes: Buffer): Iterable<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE)
}

/** SHA-256 in hex of the first bytes. */
export async function digest(source: Source, length = source.size): Promise<string> {
  const hash = createHash("sha256")
  for await (const piece of source.read(0, length)) hash.update(piece)
  return hash.digest("hex")
}
