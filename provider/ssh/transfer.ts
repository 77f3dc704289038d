import type { SftpSession } from "./sftpSession.ts"
import { Slots } from "./slots.ts"
import type { Source } from "./source.ts"

/** Bytes a WRITE carries: the most that ssh2 sends unsplit to OpenSSH, whose messages have at most 256 KiB. */
export const CHUNK = 254 * 1024
/** WRITEs that are under way at once: enough for the window of a channel, 2 MiB, and little memory. */
const AT_ONCE = 12

/**
 * Writes the source's bytes from `start` on into a file that exists, in order, with many WRITEs under way: one
 * at a time would wait for an answer, and so pay the network's delay, for every chunk.
 */
export async function transfer(
  session: SftpSession,
  source: Source,
  path: string,
  start: number,
  onAcknowledged: (bytes: number) => void,
): Promise<void> {
  const handle = await session.open(path, "r+")
  const slots = new Slots(AT_ONCE)
  const writing = new Set<Promise<void>>()
  let failure: Error | undefined
  let offset = start
  for await (const piece of source.read(start, source.size)) {
    for (let at = 0; at < piece.length && !failure; at += CHUNK) {
      const chunk = piece.subarray(at, at + CHUNK)
      await slots.acquire()
      const write = session.write(handle, chunk, offset).then(
        () => onAcknowledged(chunk.length),
        error => {
          failure ??= error
        },
      )
      offset += chunk.length
      writing.add(write)
      write.finally(() => {
        writing.delete(write)
        slots.release()
      })
    }
    if (failure) break
  }
  await Promise.all(writing)
  if (failure) throw failure
  await session.close(handle)
}
