import { setTimeout as sleep } from "node:timers/promises"
import { readFacts } from "../host/facts/probe.ts"
import type { HostFacts } from "../host/index.ts"
import type { Context } from "../rpc/resource.ts"
import { AbortedError } from "../ssh/errors.ts"
import type { Connection } from "../ssh/index.ts"
import type { HostChange } from "./hostChange.ts"

/**
 * Milliseconds that the first read of a host waits for others. The engine asks for those of one stack side by side,
 * whatever depends on what; they come in while the first still connects, and go on from there within one millisecond.
 */
const TOGETHER = 5

/** By connection, which is one for equal settings, and for these alone. */
const open = new WeakMap<Connection, SharedRead>()

/**
 * The facts of a host for who only looks at it: reads that are asked for at the same time share one probe. It begins
 * after the last of them was asked for, so each sees what was on the host then. Who changes a host asks for itself.
 */
export function readTogether(
  host: Connection,
  { packages = [] }: NonNullable<HostChange["probe"]>,
  { signal }: Pick<Context, "signal">,
): Promise<HostFacts> {
  const shared = open.get(host) ?? new SharedRead(host)
  return shared.join(packages, signal)
}

/** One probe for several readers, from the first who asks to the answer. */
class SharedRead {
  readonly #host: Connection
  readonly #packages = new Set<string>()
  readonly #stop = new AbortController()
  readonly #facts: Promise<HostFacts>
  #readers = 0

  constructor(host: Connection) {
    this.#host = host
    open.set(host, this)
    this.#facts = this.#read()
  }

  async #read(): Promise<HostFacts> {
    await sleep(TOGETHER)
    this.#close()
    return readFacts(this.#host, { packages: [...this.#packages], signal: this.#stop.signal })
  }

  /** Nobody may join any more. */
  #close(): void {
    if (open.get(this.#host) === this) open.delete(this.#host)
  }

  /** What others have asked for is in the facts as well; a plan looks up its own names. */
  join(packages: readonly string[], signal: AbortSignal): Promise<HostFacts> {
    for (const name of packages) this.#packages.add(name)
    this.#readers++
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#readers--
        if (this.#readers > 0) reject(new AbortedError(this.#host.name, "asking for its facts", false))
        else this.#end()
      }
      if (signal.aborted) leave()
      else signal.addEventListener("abort", leave, { once: true })
      this.#facts.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave))
    })
  }

  /** The last reader has left: it is told when the probe has ended on the host. */
  #end(): void {
    this.#close()
    this.#stop.abort()
  }
}
