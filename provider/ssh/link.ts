import type { Duplex } from "node:stream"
import { setTimeout as sleep } from "node:timers/promises"
import type { Client, ClientChannel } from "ssh2"
import { ConnectionLostError, SshError } from "./errors.ts"
import { Slots } from "./slots.ts"

/** sshd allows 10 sessions (MaxSessions); some are left for ending what runs in the others. */
const SESSIONS = 8
const SPARE_SESSIONS = 2
/** After so many milliseconds without a byte from the host the connection counts as lost. */
const SILENCE = 11_000
/** How often ssh2 asks for a sign of life; several questions fit into the silence. */
export const KEEPALIVE_INTERVAL = 3_500
/** A timer this late means that this machine slept or was busy: the host is given another chance. */
const LATE = 2_000

type Done<T> = (error: Error | undefined, channel: T) => void

/** One TCP connection, authenticated. When it is lost it stays lost. */
export class Link {
  readonly name: string
  /** Why there is no connection any more; undefined while there is one. */
  lost: string | undefined
  /** Fulfilled with the reason when the connection has ended. */
  readonly ended: Promise<string>
  readonly #client: Client
  readonly #stream: Duplex
  readonly #slots = new Slots(SESSIONS)
  readonly #spare = new Slots(SPARE_SESSIONS)

  /** Takes over a client that has just become ready. */
  constructor(name: string, client: Client, stream: Duplex) {
    this.name = name
    this.#client = client
    this.#stream = stream
    this.ended = this.#watch(stream)
  }

  /**
   * Starts a command line in the login shell of the host.
   *
   * @param doing for the error: "running …"
   * @param attach is called at once with the channel: what a short command says and its end may lie in the
   * very packet that confirms its start, and events are not kept for listeners that come later
   */
  exec<T>(
    line: string,
    doing: string,
    attach: (channel: ClientChannel) => T,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.#session(this.#slots, doing, signal, done => this.#client.exec(line, done), attach)
  }

  /** The same in a spare session, for ending what keeps the others busy. */
  execSpare<T>(line: string, doing: string, attach: (channel: ClientChannel) => T): Promise<T> {
    return this.#session(this.#spare, doing, undefined, done => this.#client.exec(line, done), attach)
  }

  /** Starts a subsystem of the host's sshd, such as `sftp`. */
  subsystem<T>(
    name: string,
    doing: string,
    attach: (channel: ClientChannel) => T,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.#session(this.#slots, doing, signal, done => this.#client.subsys(name, done), attach)
  }

  /** A byte stream from the host to somewhere else. */
  forward(host: string, port: number): Promise<ClientChannel> {
    const open = (done: Done<ClientChannel>): unknown =>
      this.#client.forwardOut("127.0.0.1", 0, host, port, done)
    return this.#try("opening a connection through it", open, channel => channel)
  }

  /** The error for an operation that the loss of the connection interrupted. */
  lostError(doing: string, started: boolean): ConnectionLostError {
    return new ConnectionLostError(this.name, doing, this.lost ?? "it was closed", started)
  }

  /** Says goodbye. How the host ends its session is not waited for: a hundred hosts' ends take their time. */
  async close(): Promise<void> {
    if (this.lost !== undefined) return
    this.lost = "it was closed"
    const said = new Promise(resolve => this.#stream.once("finish", resolve))
    this.#client.end()
    const timer = setTimeout(() => this.#client.destroy(), 1000)
    void this.ended.then(() => clearTimeout(timer))
    await Promise.race([said, this.ended])
    timer.unref()
  }

  /**
   * Within the limit, which a server that allows fewer sessions than sshd does lowers. sshd counts a session until
   * it has looked at everything that came with its end, so that even the only one may be refused at first.
   */
  async #session<T>(
    slots: Slots,
    doing: string,
    signal: AbortSignal | undefined,
    start: (done: Done<ClientChannel>) => unknown,
    attach: (channel: ClientChannel) => T,
  ): Promise<T> {
    const pauses = [20, 100, 400]
    for (;;) {
      await slots.acquire(signal)
      const alone = slots.taken === 1
      try {
        return await this.#try(doing, start, channel => {
          channel.once("close", () => slots.release())
          return attach(channel)
        })
      } catch (error) {
        const refused = error instanceof SessionRefusedError
        if (refused && !alone) slots.shrink()
        slots.release()
        const pause = alone ? pauses.shift() : 0
        if (!refused || pause === undefined) throw error
        await sleep(pause)
      }
    }
  }

  #try<C, T>(doing: string, start: (done: Done<C>) => unknown, attach: (channel: C) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.lost !== undefined) {
        reject(this.lostError(doing, false))
        return
      }
      start((error, channel) => {
        if (!error) resolve(attach(channel))
        else if (this.lost !== undefined) reject(this.lostError(doing, true))
        else if ("reason" in error) reject(new SessionRefusedError(this.name, doing, error))
        else reject(new SshError(this.name, `${this.name} refused ${doing}: ${error.message}`))
      })
    })
  }

  /** Follows the connection to its end, whichever of the many ends it takes. */
  #watch(stream: Duplex): Promise<string> {
    let heard = Date.now()
    stream.on("data", () => {
      heard = Date.now()
    })
    const lose = (reason: string): void => {
      this.lost ??= reason
      stream.destroy()
    }
    let timer: NodeJS.Timeout
    const check = (due: number): void => {
      const now = Date.now()
      if (now - due > LATE) heard = now
      const left = heard + SILENCE - now
      if (left <= 0) lose(`the host has been silent for ${SILENCE / 1000} s`)
      else timer = setTimeout(check, left, now + left).unref()
    }
    timer = setTimeout(check, SILENCE, heard + SILENCE).unref()
    return new Promise(resolve => {
      // Without a listener an error of the socket would end the process.
      this.#client.on("error", (error: Error & { code?: unknown; level?: string }) => {
        if (error.level === "client-socket") lose(`the connection broke (${error.code ?? error.message})`)
        else lose(`the host ended it: ${error.message}`)
      })
      this.#client.on("end", () => lose("the host closed it"))
      this.#client.on("close", () => {
        clearTimeout(timer)
        this.lost ??= "the host closed it"
        resolve(this.lost)
      })
    })
  }
}

/** The server opens no further session. */
export class SessionRefusedError extends SshError {
  constructor(host: string, doing: string, cause: Error) {
    super(
      host,
      `${host} refused ${doing}: it allows no further session (sshd's MaxSessions), or none at all`,
      { cause },
    )
  }
}
