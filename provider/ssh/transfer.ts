import type { SftpSession } from "./sftpSession.ts"
import { disposable, type Source } from "./source.ts"

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
  await using reader = disposable(await source.open())
  // A buffer belongs to its WRITE until that is answered. Fresh ones would cost more in garbage than in sending.
  const buffers: Buffer[] = Array.from({ length: AT_ONCE }, () => Buffer.allocUnsafeSlow(CHUNK))
  const writing = new Set<Promise<void>>()
  let failure: Error | undefined
  for (let offset = start; offset < source.size; ) {
    while (buffers.length === 0) await Promise.race(writing)
    if (failure) break
    const buffer = buffers.pop() as Buffer
    const length = await reader.read(buffer, offset)
    // A source that has become shorter is found out by its digest.
    if (length === 0) break
    const answered = session.write(handle, buffer.subarray(0, length), offset).then(
      () => onAcknowledged(length),
      error => {
        failure ??= error
      },
    )
    const write = answered.then(() => {
      writing.delete(write)
      buffers.push(buffer)
    })
    writing.add(write)
    offset += length
  }
  await Promise.all(writing)
  if (failure) throw failure
  await session.close(handle)
}
