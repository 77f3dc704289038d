import { setTimeout as sleep } from "node:timers/promises"
import type { Connection } from "../ssh/index.ts"
import { RefusedError, refusal } from "./refusal.ts"

/** One lock a host: whoever changes it holds this (flock(1)), whichever program or person that is. */
export const LOCK_PATH = "/var/lib/pulumi-xen/lock"

export interface LockOptions {
  /** Who we are, for the others: "www1 by anna@laptop, pid 4711". */
  readonly holder: string
  /** Where the lock lies. Default: LOCK_PATH. */
  readonly path?: string
  readonly signal?: AbortSignal
  /** Told every five seconds who is being waited for. */
  readonly onStatus?: (text: string) => void
  /**
   * Seconds to wait. Default 1200: the lock of a run whose machine has vanished ends when TCP gives its connection up, after
   * some 924 s (tcp_retries2, tcp(7)), and then the next run is to go on.
   */
  readonly wait?: number
}

/** Another run changes the host, and went on doing so for as long as we would wait. */
export class HostLockedError extends Error {
  override readonly name = "HostLockedError"
  readonly host: string
  readonly holder: string

  constructor(host: string, holder: string, seconds: number) {
    super(
      `${host}: another run changes this host: ${holder}. It held the lock for all the ${seconds} s that were waited. ` +
        `Run again when it is done; the lock ends with its connection (${LOCK_PATH}).`,
    )
    this.host = host
    this.holder = holder
  }
}

/**
 * Holds the lock while somebody reads its output: the beat fails when the connection has ended, however it
 * ended, and the lock goes with the shell. The file says who holds it, for those who wait.
 */
const HOLD = `
  directory=$(dirname "$1")
  mkdir -p "$directory" 2>/dev/null
  [ -w "$directory" ] || [ "$(id -u)" = 0 ] || { id -un; exit 77; }
  mkdir -p "$directory" && exec 9>>"$1" || exit 2
  flock -n 9 || { cat "$1"; exit 75; }
  printf '%s\\n' "$2" >"$1"
  echo held
  while sleep 2; do echo beat || exit; done`

/** EX_TEMPFAIL of sysexits.h: somebody else holds it. */
const HELD_BY_ANOTHER = 75
/** EX_NOPERM of sysexits.h. */
const NOT_ROOT = 77

/**
 * Runs `work` while holding the host's lock; waits for who holds it, and says who that is.
 *
 * @throws {@link RefusedError} for who is not root on the host, {@link HostLockedError}
 */
export async function withHostLock<Result>(
  connection: Connection,
  options: LockOptions,
  work: () => Promise<Result>,
): Promise<Result> {
  const { holder, path = LOCK_PATH, signal, onStatus = () => {}, wait = 1200 } = options
  const began = Date.now()
  for (;;) {
    const attempt = await tryHold(connection, path, holder, signal)
    if (attempt.held) {
      try {
        return await work()
      } finally {
        await attempt.release()
      }
    }
    const waited = Math.round((Date.now() - began) / 1000)
    if (waited >= wait) throw new HostLockedError(connection.name, attempt.by, waited)
    onStatus(`waiting for another run on this host: ${attempt.by}, ${waited} s`)
    await sleep(Math.min(5000, 200 + waited * 500), undefined, signal ? { signal } : {})
  }
}

type Attempt =
  | { readonly held: true; readonly release: () => Promise<void> }
  | { readonly held: false; readonly by: string }

async function tryHold(
  connection: Connection,
  path: string,
  holder: string,
  signal?: AbortSignal,
): Promise<Attempt> {
  const ending = new AbortController()
  const both = signal ? AbortSignal.any([signal, ending.signal]) : ending.signal
  const { promise: held, resolve } = Promise.withResolvers<true>()
  const ended = connection.run(["sh", "-c", HOLD, "sh", path, holder], {
    expect: [0, HELD_BY_ANOTHER, NOT_ROOT],
    keep: "tail",
    signal: both,
    onLine: line => {
      if (line === "held") resolve(true)
    },
  })
  // Whoever holds the lock waits for its end in `release`; a connection that is lost meanwhile is the work's
  // own failure, and must not be an unhandled one here.
  ended.catch(() => {})
  const first = await Promise.race([held, ended])
  if (first !== true && first.exit === NOT_ROOT) {
    const problem = `${first.stdout.trim()} is not root here, and only root changes a host.`
    throw new RefusedError(connection.name, [
      refusal("root", problem, "Connect as root, or as a user who may run sudo, with the connection's sudo."),
    ])
  }
  if (first !== true) return { held: false, by: first.stdout.trim() || "a run that did not say who it is" }
  return {
    held: true,
    release: async () => {
      ending.abort()
      await ended.catch(() => {})
    },
  }
}
