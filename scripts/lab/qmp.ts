import { once } from "node:events"
import { createConnection, type Socket } from "node:net"
import { createInterface } from "node:readline"
import { LabError } from "./errors.ts"

type Reply = { return?: unknown; error?: { class: string; desc: string }; event?: string }

/** One conversation with QEMU's monitor (QEMU Machine Protocol, docs/interop/qmp-spec in QEMU's sources). */
export class Monitor implements AsyncDisposable {
  readonly #socket: Socket
  readonly #replies: AsyncIterator<string>

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#replies = createInterface(socket)[Symbol.asyncIterator]()
  }

  /** Connects to the monitor's Unix socket. Rejects with the socket's error when nobody listens. */
  static async connect(path: string): Promise<Monitor> {
    const socket = createConnection(path)
    await once(socket, "connect")
    socket.on("error", () => {})
    const monitor = new Monitor(socket)
    await monitor.#next()
    await monitor.execute("qmp_capabilities")
    return monitor
  }

  /** Runs one command and returns its result. Events that come in between are of no interest here. */
  async execute(command: string, args: Record<string, unknown> = {}): Promise<unknown> {
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`)
    let reply: Reply
    do reply = await this.#next()
    while (reply.event !== undefined)
    if (reply.error) {
      throw new LabError(
        `QEMU's ${command}`,
        `${reply.error.class}, ${reply.error.desc}`,
        "See qemu.log beside its disk",
      )
    }
    return reply.return
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy()
  }

  async #next(): Promise<Reply> {
    const { done, value } = await this.#replies.next()
    if (done)
      throw new LabError("ask QEMU's monitor", "it closed the connection", "See qemu.log beside its disk")
    return JSON.parse(value)
  }
}
