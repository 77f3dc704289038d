import { connect, createServer, type Server, type Socket } from "node:net"
import { reset } from "./reset.ts"

/** A TCP relay on loopback between a client and a server, which can be told to behave like a bad network. */
export class Saboteur {
  readonly port: number
  readonly #server: Server
  readonly #pairs = new Set<readonly [client: Socket, upstream: Socket]>()
  /** Connections accepted so far. */
  connections = 0
  /** Bytes that clients have sent so far. */
  sent = 0
  #budget: { bytes: number; act: () => void } | undefined

  private constructor(server: Server, port: number, upstreamPort: number) {
    this.#server = server
    this.port = port
    server.on("connection", client => this.#relay(client, upstreamPort))
  }

  static async before(upstreamPort: number): Promise<Saboteur> {
    const server = createServer()
    await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve))
    const address = server.address()
    if (address === null || typeof address === "string") throw new Error("No port was given")
    return new Saboteur(server, address.port, upstreamPort)
  }

  /** RST to the client. */
  reset = (): void => {
    for (const [client, upstream] of this.#pairs) {
      reset(client)
      upstream.destroy()
    }
  }

  /** FIN to the client. */
  finish = (): void => {
    for (const [client, upstream] of this.#pairs) {
      client.end()
      upstream.destroy()
    }
  }

  /** Nothing goes through any more, and nobody is told. */
  freeze = (): void => {
    for (const [client, upstream] of this.#pairs) {
      client.unpipe()
      upstream.unpipe()
      client.removeAllListeners("data").pause()
      upstream.removeAllListeners("data").pause()
    }
  }

  /** Acts once the clients have sent so many bytes from now on. */
  after(bytes: number, act: () => void): void {
    this.#budget = { bytes, act }
  }

  async close(): Promise<void> {
    for (const [client, upstream] of this.#pairs) {
      client.destroy()
      upstream.destroy()
    }
    await new Promise(resolve => this.#server.close(resolve))
  }

  #relay(client: Socket, upstreamPort: number): void {
    this.connections++
    const upstream = connect({ host: "127.0.0.1", port: upstreamPort, noDelay: true })
    client.setNoDelay(true)
    const pair = [client, upstream] as const
    this.#pairs.add(pair)
    client.on("data", chunk => this.#count(chunk.length))
    client.pipe(upstream)
    upstream.pipe(client)
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on("error", () => {})
      one.on("close", () => {
        other.destroy()
        this.#pairs.delete(pair)
      })
    }
  }

  #count(bytes: number): void {
    this.sent += bytes
    const budget = this.#budget
    if (!budget) return
    budget.bytes -= bytes
    if (budget.bytes > 0) return
    this.#budget = undefined
    budget.act()
  }
}
