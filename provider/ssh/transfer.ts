import type { SFTPWrapper } from "ssh2"
import type { Source } from "./source.ts"

/** Bytes a WRITE carries; sftp-server takes messages of at most 256 KiB. */
const CHUNK = 128 * 1024
/** WRITEs that are under way at once: enough for the window of a channel, 2 MiB, and little memory. */
const AT_ONCE = 24

export interface Transfer {
  source: Source
  path: string
  /** Where to begin in a file that exists. */
  start: number
  signal: AbortSignal | undefined
  onAcknowledged: (bytes: number) => void
}

/** draft-ietf-secsh-filexfer-02, 7. */
export const NO_SUCH_FILE = 2

/** SFTP's status for a failed operation (draft-ietf-secsh-filexfer-02, 7). */
export class SftpError extends Error {
  readonly status: number

  constructor(cause: Error & { code?: number }) {
    super(cause.message, { cause })
    this.status = cause.code ?? 4
  }
}

/**
 * Writes a file over SFTP, in order, with many WRITEs under way: a single one waits for its answer, and a
 * network's delay would be paid for every chunk.
 */
export async function transfer(
  sftp: SFTPWrapper,
  { source, path, start, signal, onAcknowledged }: Transfer,
): Promise<void> {
  const ended = new Promise<never>((_, reject) => {
    sftp.once("close", () => reject(new Error("The SFTP session ended")))
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true })
  })
  // It is one side of races only, and may be lost after the last of them.
  ended.catch(() => {})
  const call = <T>(
    start: (done: (error: (Error & { code?: number }) | null | undefined, value: T) => void) => void,
  ): Promise<T> =>
    Promise.race([
      ended,
      new Promise<T>((resolve, reject) => {
        start((error, value) => (error ? reject(new SftpError(error)) : resolve(value)))
      }),
    ])

  const handle = await call<Buffer>(done => sftp.open(path, "r+", done))
  const writing = new Set<Promise<void>>()
  let failure: unknown
  let offset = start
  for await (const piece of source.read(start, source.size)) {
    for (let at = 0; at < piece.length && failure === undefined; at += CHUNK) {
      const length = Math.min(CHUNK, piece.length - at)
      const position = offset
      offset += length
      const write = call<void>(done => sftp.write(handle, piece, at, length, position, done as never))
        .then(() => onAcknowledged(length))
        .catch(error => {
          failure ??= error
        })
        .finally(() => writing.delete(write))
      writing.add(write)
      if (writing.size >= AT_ONCE) await Promise.race(writing)
    }
    if (failure !== undefined) break
  }
  await Promise.all(writing)
  if (failure !== undefined) throw failure
  await call<void>(done => sftp.close(handle, done as never))
}
