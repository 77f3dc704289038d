import type { Duplex } from "node:stream"
import type { Command } from "./command.ts"
import type { Elevation } from "./commandLine.ts"
import type {
  Connection,
  RunResult,
  Target,
  UploadOptions,
  UploadResult,
  UploadSource,
  WriteOptions,
} from "./contract.ts"
import { AbortedError, ConnectError } from "./errors.ts"
import type { Link } from "./link.ts"
import { openLink } from "./open.ts"
import { formatCommand } from "./quote.ts"
import { type Route, resolveRoute } from "./route.ts"
import { type FedOptions, run } from "./run.ts"
import { findElevation } from "./sudo.ts"
import { upload } from "./upload/upload.ts"
import { writeFile } from "./upload/writeFile.ts"

/** Gives the connection to a jump host. */
export type JumpTo = (target: Target, depth: number) => Promise<SshConnection>

export interface OpenOptions {
  signal?: AbortSignal
  /** Where the connections to jump hosts are shared. Default: each connection has its own, and closes it. */
  jumpTo?: JumpTo
  /** How many hosts are jumped through to get here. */
  depth?: number
}

const MAX_JUMPS = 8

/**
 * A connection that outlives its TCP connection: when that is lost, what was under way fails, and what comes
 * next is given a new one, verified anew.
 */
export class SshConnection implements Connection {
  readonly #route: Route
  readonly #jumpTo: JumpTo | undefined
  readonly #depth: number
  readonly #closing = new AbortController()
  #link: Promise<Link> | undefined
  #elevation: Promise<Elevation> | undefined
  #ownJump: SshConnection | undefined

  private constructor(route: Route, { jumpTo, depth = 0 }: OpenOptions) {
    this.#route = route
    this.#jumpTo = jumpTo
    this.#depth = depth
  }

  /** Not connected yet: the first use connects. */
  static async to(target: Target, options: OpenOptions = {}): Promise<SshConnection> {
    return new SshConnection(await resolveRoute(target), options)
  }

  static async open(target: Target, options: OpenOptions = {}): Promise<SshConnection> {
    const connection = await SshConnection.to(target, options)
    try {
      await connection.link(options.signal)
      return connection
    } catch (error) {
      await connection.close()
      throw error
    }
  }

  get name(): string {
    return this.#route.name
  }

  async run(command: Command, options: FedOptions = {}): Promise<RunResult> {
    const doing = `running \`${formatCommand(command)}\``
    const link = await this.link(options.signal, doing)
    return run(link, await this.elevation(link, options.sudo), command, options)
  }

  upload(source: UploadSource, path: string, options: UploadOptions = {}): Promise<UploadResult> {
    return upload(this, source, path, options)
  }

  writeFile(
    path: string,
    content: Parameters<Connection["writeFile"]>[1],
    options: WriteOptions = {},
  ): Promise<void> {
    return writeFile(this, path, content, options)
  }

  fresh(options: { signal?: AbortSignal } = {}): Promise<SshConnection> {
    return SshConnection.open(this.#route.target, { ...options, depth: this.#depth })
  }

  async close(): Promise<void> {
    this.#closing.abort()
    const link = await this.#link?.catch(() => undefined)
    await link?.close()
    await this.#ownJump?.close()
  }

  /** The live link, made anew when there is none; those who wait for the same one share it. */
  async link(signal?: AbortSignal, doing = "connecting"): Promise<Link> {
    if (this.#closing.signal.aborted)
      throw new AbortedError(this.name, `${doing}: the connection is closed`, true)
    this.#link ??= this.#connect()
    return orAborted(this.#link, signal, () => new AbortedError(this.name, doing, true))
  }

  /** @param wanted what the caller says; undefined: what the target says */
  async elevation(link: Link, wanted: boolean | undefined): Promise<Elevation> {
    const { sudo = "auto", sudoPassword } = this.#route.target
    const elevate = wanted !== false && (sudo === "auto" ? this.#route.user !== "root" : sudo)
    if (!elevate) return "none"
    this.#elevation ??= findElevation(link, sudoPassword).catch(error => {
      this.#elevation = undefined
      throw error
    })
    return this.#elevation
  }

  #connect(): Promise<Link> {
    const forget = (): void => {
      if (this.#link === made) this.#link = undefined
    }
    const { via } = this.#route
    const through = via && (() => this.#jump(via))
    const made = openLink(this.#route, this.#closing.signal, through)
    made.then(link => link.ended.then(forget), forget)
    return made
  }

  /** A byte stream to this host from the host before it. */
  async #jump(via: Target): Promise<Duplex> {
    if (this.#depth >= MAX_JUMPS) {
      const message = `${this.name} is reached through more than ${MAX_JUMPS} jump hosts: does one lead back to itself?`
      throw new ConnectError(this.name, "jump", message)
    }
    const before = await this.#hop(via)
    const link = await before.link(this.#closing.signal)
    try {
      return await link.forward(this.#route.hostName, this.#route.port)
    } catch (cause) {
      const message = `${before.name} could not reach ${this.name} (${this.#route.hostName}:${this.#route.port}). Check the address as seen from there, and that its sshd allows forwarding (AllowTcpForwarding)`
      throw new ConnectError(this.name, "jump", message, { cause })
    }
  }

  async #hop(via: Target): Promise<SshConnection> {
    const depth = this.#depth + 1
    if (this.#jumpTo) return this.#jumpTo(via, depth)
    this.#ownJump ??= await SshConnection.to(via, { depth })
    return this.#ownJump
  }
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined, reason: () => Error): Promise<T> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(reason())
    if (signal.aborted) onAbort()
    signal.addEventListener("abort", onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort))
  })
}
