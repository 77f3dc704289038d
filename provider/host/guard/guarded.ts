import { setTimeout as sleep } from "node:timers/promises"
import { ConnectError } from "../../ssh/errors.ts"
import type { Connection } from "../../ssh/index.ts"
import type { Step } from "../step.ts"
import {
  arm,
  confirm,
  type Guard,
  type GuardReport,
  GuardRevertedError,
  guardReport,
  hooksOf,
  launch,
} from "./guard.ts"

export interface GuardedOptions {
  /** Looks at the host over the fresh connection and throws when it is not as wanted. */
  readonly verify: (fresh: Connection) => Promise<void>
  readonly signal?: AbortSignal
  /** Told what is being done or waited for: "waiting for the machine to restart, 40 s". */
  readonly onStatus?: (text: string) => void
}

/** Seconds that a revert may take after the deadline, a last-resort restart included. */
const REVERT_TIME = 240

/**
 * Carries out one guarded step: arm, change, come in again over a fresh connection, look, confirm. Resolves
 * when the change is confirmed. When it cannot be confirmed, waits until the host has taken it back and throws
 * `GuardRevertedError` with what the guard did. Killed anywhere, the host does the same by itself.
 */
export async function guarded(connection: Connection, step: Step, options: GuardedOptions): Promise<void> {
  const { signal, onStatus = () => {} } = options
  const reboots = step.risk === "boot"
  const before = reboots ? await bootId(connection) : ""
  onStatus(`arming the guard: ${step.title}`)
  const guard = await arm(connection, step, signal)
  const { window, grace = 0 } = hooksOf(step)
  const watch = new Watch(connection, window + grace, onStatus, signal)
  await launch(connection, guard)

  try {
    await watch.until("the change to be made", async fresh => {
      const report = await guardReport(fresh, guard.name)
      if (report.state !== "armed") throw await reverted(fresh, guard, notMade(report, window))
      return report.made
    })
    if (reboots) {
      await restart(connection, watch)
      await watch.until("the machine to restart", async fresh => (await bootId(fresh)) !== before)
    }
    await watch.until("the host to be as wanted", async fresh => {
      await options.verify(fresh).catch(async (error: unknown) => {
        // A trial boot that failed is taken back before anybody can come in.
        const { state } = await guardReport(fresh, guard.name)
        throw state === "armed" ? error : await reverted(fresh, guard, words(error))
      })
      const answer = await confirm(fresh, guard)
      if (answer === "too-late") throw await reverted(fresh, guard, "It was not confirmed in time.")
      return answer === "confirmed"
    })
  } catch (error) {
    if (!(error instanceof OverdueError)) throw error
    throw await awaitRevert(connection, guard, error, options)
  }
}

/** Seconds that a restart may take: firmware of large machines counts its memory for minutes. */
export const RESTART_TIME = 900

/** Restarts the machine, in a way that needs no guard, and waits until it answers again. */
export async function restartHost(
  connection: Connection,
  { signal, onStatus = () => {} }: Omit<GuardedOptions, "verify"> = {},
): Promise<void> {
  const before = await bootId(connection)
  const watch = new Watch(connection, RESTART_TIME, onStatus, signal)
  await restart(connection, watch)
  await watch
    .until("the machine to restart", async fresh => (await bootId(fresh)) !== before)
    .catch((error: unknown) => {
      if (!(error instanceof OverdueError)) throw error
      throw new Error(
        `The machine was told to restart and has not answered for ${RESTART_TIME / 60} minutes. Look at its console, or ` +
          "have it switched off and on; GRUB's menu has all its entries. Run again when it answers.",
        { cause: error },
      )
    })
}

/** The time was over. `cause` is the last thing that went wrong. */
class OverdueError extends Error {
  override readonly name = "OverdueError"
}

/** Tries over fresh connections until something holds or the guard's time is over. */
class Watch {
  readonly #connection: Connection
  readonly #began = Date.now()
  readonly #seconds: number
  readonly #onStatus: (text: string) => void
  readonly #signal: AbortSignal | undefined

  constructor(
    connection: Connection,
    seconds: number,
    onStatus: (text: string) => void,
    signal: AbortSignal | undefined,
  ) {
    this.#connection = connection
    this.#seconds = seconds
    this.#onStatus = onStatus
    this.#signal = signal
  }

  get elapsed(): number {
    return Math.round((Date.now() - this.#began) / 1000)
  }

  async until(what: string, look: (fresh: Connection) => Promise<boolean>): Promise<void> {
    let last: unknown
    while (this.elapsed < this.#seconds) {
      this.#signal?.throwIfAborted()
      this.#onStatus(`waiting for ${what}, ${this.elapsed} s`)
      try {
        const fresh = await this.#connection.fresh(this.#signal ? { signal: this.#signal } : {})
        try {
          if (await look(fresh)) return
        } finally {
          await fresh.close()
        }
      } catch (error) {
        if (error instanceof GuardRevertedError || isAnotherHost(error)) throw error
        last = error
      }
      await sleep(500, undefined, this.#signal ? { signal: this.#signal } : {})
    }
    throw new OverdueError(`${what}: not within ${this.#seconds} s`, { cause: last })
  }
}

/** A host that shows another key is another host: waiting does not help, and nothing may be sent to it. */
export function isAnotherHost(error: unknown): boolean {
  return error instanceof ConnectError && /^host-(key|certificate)/.test(error.kind)
}

async function restart(connection: Connection, watch: Watch): Promise<void> {
  await watch.until("the restart to begin", async fresh => {
    await fresh.run(["systemctl", "--no-block", "reboot"], { timeout: 120_000 })
    return true
  })
  await connection.close()
}

async function bootId(connection: Connection): Promise<string> {
  const { stdout } = await connection.run(["cat", "/proc/sys/kernel/random/boot_id"], { timeout: 60_000 })
  return stdout.trim()
}

/** A sentence. */
const words = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/\.?$/, ".")

/** Why a change that is being taken back was not even made. */
function notMade({ log }: GuardReport, window: number): string {
  return log.some(line => line.includes("the change failed"))
    ? "The change failed."
    : `The change was not made within the ${window} s in which it must be confirmed: give it a longer \`window\`.`
}

async function reverted(fresh: Connection, guard: Guard, why: string): Promise<GuardRevertedError> {
  for (;;) {
    const report = await guardReport(fresh, guard.name)
    if (report.state === "reverted" || report.state === "none")
      return new GuardRevertedError(fresh.name, guard.name, why, report.log)
    await sleep(500)
  }
}

/** Nobody confirmed: the host is taking the change back. Waits for that, and tells why it had to. */
async function awaitRevert(
  connection: Connection,
  guard: Guard,
  overdue: OverdueError,
  { signal, onStatus = () => {} }: GuardedOptions,
): Promise<Error> {
  const why = overdue.cause ? words(overdue.cause) : "The host was not as wanted in time."
  const watch = new Watch(connection, REVERT_TIME, onStatus, signal)
  let failure: Error = overdue
  await watch.until("the host to take the change back", async fresh => {
    failure = await reverted(fresh, guard, why)
    return true
  })
  return failure
}
