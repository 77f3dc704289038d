import type { SFTPWrapper } from "ssh2"

/** A failed operation, draft-ietf-secsh-filexfer-02, section 7. */
export class SftpError extends Error {
  readonly status: number

  constructor(cause: SftpCause) {
    super(cause.message, { cause })
    this.status = cause.code ?? FAILURE
  }
}

export const NO_SUCH_FILE = 2
const FAILURE = 4

type SftpCause = Error & { code?: number }

/**
 * ssh2's SFTP with promises that always end: a request that is made after the session's end, or while ssh2
 * still holds it back for the channel's window, would otherwise never be answered.
 */
export class SftpSession {
  readonly #sftp: SFTPWrapper
  readonly #pending = new Set<(error: Error) => void>()
  #ended: Error | undefined

  constructor(sftp: SFTPWrapper) {
    this.#sftp = sftp
    // Without a listener an error of the protocol would end the process.
    sftp.on("error", (error: Error) => this.end(error))
    sftp.once("close", () => this.end(new Error("The SFTP session ended")))
  }

  open(path: string, flags: "r+"): Promise<Buffer> {
    return this.#request(done => this.#sftp.open(path, flags, done))
  }

  write(handle: Buffer, bytes: Buffer, position: number): Promise<void> {
    return this.#request(done => this.#sftp.write(handle, bytes, 0, bytes.length, position, done as never))
  }

  close(handle: Buffer): Promise<void> {
    return this.#request(done => this.#sftp.close(handle, done as never))
  }

  /** What is under way fails with the reason. */
  end(reason: Error): void {
    if (this.#ended) return
    this.#ended = reason
    for (const reject of this.#pending) reject(reason)
    this.#pending.clear()
    this.#sftp.end()
  }

  #request<T>(send: (done: (error: SftpCause | null | undefined, value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#ended) {
        reject(this.#ended)
        return
      }
      this.#pending.add(reject)
      send((error, value) => {
        this.#pending.delete(reject)
        if (error) reject(new SftpError(error))
        else resolve(value)
      })
    })
  }
}
