import { type Sftp, WriteMessage } from "./sftp.ts"
import { disposable, type Source } from "./source.ts"

/** Bytes that are under way at once: a channel's window is 2 MiB, and it is refilled before it is empty. */
const UNDER_WAY = 3 * 1024 * 1024

/**
 * Writes the source's bytes from `start` on into a file that exists, in order, with many WRITEs under way: one
 * at a time would wait for an answer, and so pay the network's delay, for every chunk.
 *
 * @param onAcknowledged called with how many bytes more are on the host, and how many that makes without a gap
 */
export async function transfer(
  sftp: Sftp,
  source: Source,
  path: string,
  start: number,
  onAcknowledged: (bytes: number, arrived: number) => void,
): Promise<void> {
  const handle = await sftp.open(path)
  await using reader = disposable(await source.open())
  const writing: { message: WriteMessage; acknowledged: Promise<void> }[] = []
  /** Few messages are used again and again: fresh memory would cost more in garbage than it does to send it. */
  const nextMessage = async (): Promise<WriteMessage> => {
    if (writing.length * sftp.room < UNDER_WAY) return new WriteMessage(handle, sftp.room)
    const { message, acknowledged } = writing.shift() as (typeof writing)[number]
    await acknowledged
    return message
  }
  let acknowledged = Promise.resolve()
  for (let offset = start; offset < source.size; ) {
    const message = await nextMessage()
    const length = await reader.read(message.data, offset)
    // A source that has become shorter is found out by its digest.
    if (length === 0) break
    const answered = sftp.write(message, length, offset)
    offset += length
    const arrived = offset
    acknowledged = Promise.all([acknowledged, answered]).then(() => onAcknowledged(length, arrived))
    // The failure is met when the message is wanted again, or at the end.
    acknowledged.catch(() => {})
    writing.push({ message, acknowledged })
  }
  await acknowledged
  await sftp.close(handle)
}
