import { createHash } from "node:crypto"
import { basename } from "node:path"
import type { SshConnection } from "../connection.ts"
import type { UploadOptions, UploadResult, UploadSource } from "../contract.ts"
import { AbortedError, ConnectionLostError, RemoteCommandError } from "../errors.ts"
import type { Link } from "../link.ts"
import { Arrival, type Found, WrongDigest } from "./arrival.ts"
import { deliver, SMALL } from "./deliver.ts"
import { explain, PART_GONE, PART_PREFIX, PART_SUFFIX, type Place, parsePlace, uploadError } from "./place.ts"
import { NO_SUCH_FILE, Sftp, SftpError } from "./sftp.ts"
import { digest, openSource, type Source } from "./source.ts"
import { transfer } from "./transfer.ts"

/** How many attempts in a row may end without a byte more on the host. */
const FRUITLESS = 3

/**
 * Brings a file to a host: a small one in one command, a larger one in parts. A part is sent aside, the host computes the
 * digest, and only then gives it its name. The part is named after what is sent and where to: whoever sends the same again,
 * after a lost connection or a kill, goes on where it ended, and two who send the same at once write the same bytes. A part
 * is believed by the digest of what is there, not by its size.
 */
export async function upload(
  connection: SshConnection,
  from: UploadSource,
  path: string,
  options: UploadOptions,
): Promise<UploadResult> {
  const place = parsePlace(connection.name, path)
  const source = await openSource(connection.name, from, path)
  const sending = new Sending(connection, source, place, options)
  let fruitless = 0
  for (;;) {
    const before = sending.bytes
    try {
      await sending.attempt()
      return { bytes: sending.bytes, size: source.size, sha256: await sending.sha256() }
    } catch (error) {
      fruitless = sending.bytes > before ? 0 : fruitless + 1
      const passing = error instanceof ConnectionLostError || isGone(error)
      if (passing && fruitless < FRUITLESS && !options.signal?.aborted) continue
      throw await sending.abandon(error)
    }
  }
}

/** Another process sent the same and was first: it has renamed the part that both wrote. */
function isGone(error: unknown): boolean {
  if (error instanceof SftpError) return error.status === NO_SUCH_FILE
  return error instanceof RemoteCommandError && error.exit === PART_GONE
}

class Sending {
  /** Sent and acknowledged, over all attempts. */
  bytes = 0
  readonly #connection: SshConnection
  readonly #source: Source
  readonly #place: Place
  readonly #options: UploadOptions
  readonly #arrival: Arrival
  /** Beside the path, where it is renamed from. */
  readonly #part: string
  /** Where SFTP, which is the login user's, may write: the part itself, or with sudo a place of that user's. */
  #target: string
  #digest: Promise<string> | undefined

  constructor(connection: SshConnection, source: Source, place: Place, options: UploadOptions) {
    this.#connection = connection
    this.#source = source
    this.#place = place
    this.#options = options
    this.#arrival = new Arrival(connection, place, options.mode ?? 0o644, options.signal)
    const id = createHash("sha256").update(`${source.identity} ${place.path}`).digest("hex").slice(0, 16)
    this.#part = `${place.directory === "/" ? "" : place.directory}/${PART_PREFIX}${id}${PART_SUFFIX}`
    this.#target = this.#part
  }

  /** What the file must have. Computed where it was not said, and only when it is needed. */
  sha256(): Promise<string> {
    this.#digest ??= this.#options.sha256
      ? Promise.resolve(this.#options.sha256.toLowerCase())
      : digest(this.#source)
    return this.#digest
  }

  async attempt(): Promise<void> {
    if (this.#source.size <= SMALL) return this.#deliver()
    const link = await this.#connection.link(this.#options.signal, this.#doing)
    const elevated = (await this.#connection.elevation(link, undefined)) !== "none"
    if (elevated) this.#target = await this.#arrival.stage(basename(this.#part))
    const found = await this.#arrival.prepare(this.#target, this.#source.size)
    if (found.what === "whole" && found.sha256 === (await this.sha256())) {
      await this.#arrival.keep(this.#target)
      return
    }
    await this.#send(link, await this.#agreed(found))
  }

  /** Leaves nothing behind, where the host can still be reached, and says what went wrong. */
  async abandon(error: unknown): Promise<unknown> {
    if (error instanceof ConnectionLostError) return error
    const { signal } = this.#options
    const parts = [this.#part, this.#target]
    await this.#connection.run(["rm", "-f", ...parts], { timeout: 10_000 }).catch(() => {})
    const path = this.#place.path
    if (signal?.aborted) return new AbortedError(this.#connection.name, this.#doing, true)
    if (error instanceof WrongDigest) return uploadError(this.#connection.name, "digest", path, error.message)
    if (error instanceof RemoteCommandError || error instanceof SftpError) {
      return explain(this.#connection, this.#place, this.#source.size, error)
    }
    return error
  }

  async #deliver(): Promise<void> {
    const { mode, signal, onProgress } = this.#options
    const sha256 = await this.sha256()
    this.bytes += await deliver(this.#connection, this.#source, this.#place, { sha256, mode, signal })
    onProgress?.(this.#source.size, this.#source.size)
  }

  get #doing(): string {
    return `uploading ${this.#place.path}`
  }

  /** How many bytes of the part are those of the source. */
  async #agreed({ what, size, sha256 }: Found): Promise<number> {
    return what === "part" && size > 0 && sha256 === (await digest(this.#source, size)) ? size : 0
  }

  async #send(link: Link, start: number): Promise<void> {
    const { signal, onProgress } = this.#options
    const total = this.#source.size
    onProgress?.(start, total)
    const sftp = await this.#sftp(link)
    const onAbort = (): void => sftp.end(new Error("The upload was cancelled"))
    signal?.addEventListener("abort", onAbort, { once: true })
    const follower = this.#arrival.follow(this.#target, this.#part)
    follower.arrived(start)
    try {
      await transfer(sftp, this.#source, this.#target, start, (bytes, arrived) => {
        this.bytes += bytes
        follower.arrived(arrived)
        onProgress?.(arrived, total)
      })
      // The follower may have waited for this session.
      sftp.end(new Error("The upload is over"))
      await follower.conclude(await this.sha256())
    } catch (error) {
      sftp.end(new Error("The upload failed"))
      await follower.abandon()
      throw link.lost === undefined ? error : link.lostError(this.#doing, true)
    } finally {
      signal?.removeEventListener("abort", onAbort)
    }
  }

  async #sftp(link: Link): Promise<Sftp> {
    const { signal } = this.#options
    try {
      const sftp = await link.subsystem("sftp", this.#doing, channel => new Sftp(channel), signal)
      await sftp.start()
      return sftp
    } catch (error) {
      if (link.lost !== undefined) throw link.lostError(this.#doing, false)
      if (signal?.aborted) throw error
      throw uploadError(link.name, "unsupported", this.#place.path, (error as Error).message, error)
    }
  }
}
