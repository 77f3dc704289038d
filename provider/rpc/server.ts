import { subscribe, unsubscribe } from "node:diagnostics_channel"
import type { Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import * as grpc from "@grpc/grpc-js"
import services from "@pulumi/pulumi/proto/provider_grpc_pb.js"
import { serverOptions } from "./options.ts"
import { Protocol } from "./protocol.ts"
import type { Registry } from "./resource.ts"

/** Milliseconds for the last answers to leave; the engine kills a provider that takes five seconds. */
const farewell = 500

export interface RunningServer {
  readonly port: number
  /** Aborts what is under way, waits for the answers, and lets the connections go. */
  stop(reason: string): Promise<void>
}

/**
 * Serves a registry over Pulumi's provider protocol, on loopback, on a free port.
 * `schema` gives the package's schema as JSON; it is only made when the engine asks.
 * `engineAddress` is the first argument with which the engine starts a provider; the handshake gives it too.
 */
export async function serve(
  registry: Registry,
  schema: () => Promise<string>,
  engineAddress?: string,
): Promise<RunningServer> {
  const protocol = new Protocol(registry, schema, engineAddress)
  const server = new grpc.Server(serverOptions)
  server.addService(services.ResourceProviderService, protocol.handlers())
  const port = await new Promise<number>((resolve, reject) => {
    const done = (error: Error | null, bound: number): void => (error ? reject(error) : resolve(bound))
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), done)
  })
  const connections = new Connections(port)
  const stop = async (reason: string): Promise<void> => {
    protocol.cancel(reason)
    const shutdown = new Promise<void>(done => server.tryShutdown(() => done()))
    await protocol.answered()
    await protocol.close()
    // Of a connection that the engine resets at this very moment grpc-js never hears the end: Node's http2 does not
    // call back who closes a session that is being destroyed. Its answers have no reader any more.
    await Promise.race([shutdown, connections.ended(), sleep(farewell)])
    server.forceShutdown()
  }
  return { port, stop }
}

/** The connections to a port of this process. grpc-js tells of none; Node tells of all. */
class Connections {
  static readonly #channel = "net.server.socket"
  readonly #open = new Set<Promise<void>>()
  readonly #port: number

  constructor(port: number) {
    this.#port = port
    subscribe(Connections.#channel, this.#opened)
  }

  /** Fulfilled when none is left; what comes from now on is nobody's to wait for. */
  async ended(): Promise<void> {
    unsubscribe(Connections.#channel, this.#opened)
    await Promise.all(this.#open)
  }

  readonly #opened = (message: unknown): void => {
    const { socket } = message as { socket: Socket }
    if (socket.localPort !== this.#port) return
    const closed = new Promise<void>(done => socket.once("close", () => done()))
    this.#open.add(closed)
    void closed.then(() => this.#open.delete(closed))
  }
}
