import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { type FileHandle, open } from "node:fs/promises"

/** A file is not the package that its name says. The message is the end of a sentence: "it is cut off". */
export class PackageFormatError extends Error {
  override readonly name = "PackageFormatError"
}

/** Reads a part of a package file; ends with `PackageFormatError` where the file ends before it does. */
export type ReadPart = (offset: number, length: number) => Promise<Buffer>

/** Lets `read` look at parts of a file: of a package of gigabytes only the head says what it is. */
export async function withParts<Result>(
  path: string,
  read: (part: ReadPart, size: number) => Promise<Result>,
): Promise<Result> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    return await read((offset, length) => readPart(file, offset, length), size)
  } finally {
    await file.close()
  }
}

async function readPart(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  const { bytesRead } = await file.read(bytes, 0, length, offset)
  if (bytesRead < length) throw new PackageFormatError("it is cut off")
  return bytes
}

/** SHA-256 of a file, in lower-case hex. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256")
  for await (const chunk of createReadStream(path)) hash.update(chunk)
  return hash.digest("hex")
}
