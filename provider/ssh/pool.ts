import { createHash } from "node:crypto"
import { Secret } from "../secret.ts"
import { SshConnection } from "./connection.ts"
import type { Connection, Target } from "./contract.ts"

/**
 * One connection a target, shared by all who ask for it, jump hosts' included. It reconnects by itself, so what
 * `get` gives stays good until `close`.
 */
export class ConnectionPool {
  readonly #connections = new Map<string, Promise<SshConnection>>()
  #closed = false

  async get(target: Target, options: { signal?: AbortSignal } = {}): Promise<Connection> {
    const connection = await this.#shared(target, 0)
    // Says at once whether the host can be reached, also when the connection was lost since the last time.
    await connection.link(options.signal)
    return connection
  }

  /** Ends what is under way, too. */
  async close(): Promise<void> {
    this.#closed = true
    const all = await Promise.allSettled(this.#connections.values())
    await Promise.all(all.map(made => made.status === "fulfilled" && made.value.close()))
    this.#connections.clear()
  }

  #shared(target: Target, depth: number): Promise<SshConnection> {
    if (this.#closed) throw new TypeError("The connection pool is closed")
    // By depth, so that a chain of jumps that leads back to itself does not wait for itself, but comes to its limit.
    const key = `${depth} ${identity(target)}`
    const known = this.#connections.get(key)
    if (known) return known
    const made = SshConnection.to(target, { depth, jumpTo: (via, hops) => this.#shared(via, hops) })
    this.#connections.set(key, made)
    made.catch(() => this.#connections.delete(key))
    return made
  }
}

/** Equal targets share a connection. Secrets count by their digest, so that none lies here as a key. */
function identity(target: Target): string {
  return JSON.stringify(target, (_key, value: unknown) => {
    if (value === null || typeof value !== "object" || Array.isArray(value)) return value
    return Object.fromEntries(
      Object.entries(value)
        .map(([key, field]) => [key, field instanceof Secret ? digest(field) : field] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    )
  })
}

const digest = (secret: Secret): string => createHash("sha256").update(secret.reveal()).digest("hex")
