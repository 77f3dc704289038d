import { createHash } from "node:crypto"
import { open, stat } from "node:fs/promises"
import { hostname } from "node:os"
import type { UploadSource } from "../contract.ts"
import { uploadError } from "./place.ts"

/** Bytes that a digest reads at once. */
const PIECE = 1024 * 1024

/** What is to be sent: a local file, never held in memory whole, or bytes. */
export interface Source {
  size: number
  /** Equal for equal bytes only: of bytes their digest, of a file what changes when it is written. */
  identity: string
  open(): Promise<Reader>
}

export interface Reader {
  /** Fills the buffer with the bytes from an offset on; how many there were, 0 at the end. */
  read(buffer: Buffer, position: number): Promise<number>
  close(): Promise<void>
}

/** @param path where it is to lie, for the error of a source that cannot be read */
export async function openSource(host: string, source: UploadSource, path: string): Promise<Source> {
  if (typeof source !== "string") {
    const bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength)
    const identity = createHash("sha256").update(bytes).digest("hex")
    const read = async (buffer: Buffer, position: number): Promise<number> => bytes.copy(buffer, 0, position)
    return { size: bytes.length, identity, open: async () => ({ read, close: async () => {} }) }
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
    open: () => openFile(source),
  }
}

async function openFile(path: string): Promise<Reader> {
  const file = await open(path)
  return {
    read: async (buffer, position) => (await file.read(buffer, 0, buffer.length, position)).bytesRead,
    close: () => file.close(),
  }
}

const REASONS: Record<string, string> = {
  ENOENT: "there is no such file",
  EACCES: "this user may not read it",
  ENOTDIR: "a part of the path is no directory",
}

/** SHA-256 in hex of the first bytes. */
export async function digest(source: Source, length = source.size): Promise<string> {
  const hash = createHash("sha256")
  const buffer = Buffer.allocUnsafeSlow(PIECE)
  await using reader = disposable(await source.open())
  for (let offset = 0; offset < length; ) {
    const read = Math.min(await reader.read(buffer, offset), length - offset)
    if (read === 0) break
    hash.update(buffer.subarray(0, read))
    offset += read
  }
  return hash.digest("hex")
}

/** A reader that is closed at the end of its block. */
export function disposable(reader: Reader): Reader & AsyncDisposable {
  return Object.assign(reader, { [Symbol.asyncDispose]: () => reader.close() })
}
