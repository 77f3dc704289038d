import { readFile, rename, writeFile } from "node:fs/promises"
import { buffer } from "node:stream/consumers"

/** A command line that cannot be run, or a file that cannot be read or written: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError"
}

/** A text that was read, with what is needed to write it back byte for byte. */
export interface Source {
  /** The path, or `-` for standard input. */
  readonly file: string
  readonly text: string
  readonly encoding: "utf8" | "latin1"
}

/** Reads a file, or standard input for `-`. What is no UTF-8 is taken byte by byte, as xl takes it. */
export async function readSource(file: string): Promise<Source> {
  const bytes = await (file === "-"
    ? buffer(process.stdin)
    : readFile(file).catch(error => fail("read", file, error)))
  try {
    // A byte order mark stays: xl refuses it, so it must be seen.
    return {
      file,
      text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
      encoding: "utf8",
    }
  } catch {
    return { file, text: bytes.toString("latin1"), encoding: "latin1" }
  }
}

/** Replaces a file whole: written aside first, so that a crash leaves the old one or the new one. */
export async function writeSource({ file, encoding }: Source, text: string): Promise<void> {
  if (file === "-") throw new UsageError("--write needs a file, not standard input")
  const aside = `${file}.xlcfg-${process.pid}`
  await writeFile(aside, text, { encoding, flush: true }).catch(error => fail("write", aside, error))
  await rename(aside, file).catch(error => fail("replace", file, error))
}

function fail(verb: string, file: string, { code, message }: NodeJS.ErrnoException): never {
  const reasons: Record<string, string> = {
    ENOENT: "there is no such file",
    EACCES: "permission denied",
    EISDIR: "it is a directory",
    ENOSPC: "the disk is full",
    EROFS: "the file system is read-only",
  }
  throw new UsageError(`cannot ${verb} ${file}: ${reasons[code ?? ""] ?? message}`)
}
