import { PassThrough } from "node:stream"
import { setTimeout as sleep } from "node:timers/promises"
import type { Connection } from "../ssh/index.ts"

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
  /** Seconds to wait. Default 600. */
  readonly wait?: number
  /** Seconds without a beat after which the host takes the holder for lost. Default 60. */
  readonly silence?: number
  /** Milliseconds between two beats. Default 10,000. */
  readonly beat?: number
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

/** This program stood still (a suspended laptop, a stopped process), and the host gave its lock away. */
export class HostLockLostError extends Error {
  override readonly name = "HostLockLostError"
  readonly host: string

  constructor(host: string, silence: number) {
    super(
      `${host}: the lock on this host was lost in the middle of a change, as this program stood still for longer than ` +
        `${silence} s. Run again: it goes on from what the host is then.`,
    )
    this.host = host
  }
}

/** Seconds without a beat after which a holder is taken for lost. */
const SILENCE = 60
/** Milliseconds between two beats. */
const BEAT = 10_000

/**
 * Holds the lock for as long as it is fed. The end of a connection ends it at once; where nobody learns of the end
 * (a cut line, a laptop that sleeps), the beats are missed: sshd itself would wait for hours. The file says who
 * holds it, for those who wait.
 */
const HOLD = `
  mkdir -p "$(dirname "$1")" && exec 9>>"$1" || exit 2
  flock -n 9 || { cat "$1"; exit 75; }
  printf '%s\\n' "$2" >"$1"
  echo held
  while timeout "$3" sh -c 'read -r beat'; do :; done`

/** EX_TEMPFAIL of sysexits.h: somebody else holds it. */
const HELD_BY_ANOTHER = 75

/** Runs `work` while holding the host's lock; waits for who holds it, and says who that is. */
export async function withHostLock<Result>(
  connection: Connection,
  options: LockOptions,
  work: () => Promise<Result>,
): Promise<Result> {
  const { signal, onStatus = () => {}, wait = 600 } = options
  const began = Date.now()
  for (;;) {
    const attempt = await tryHold(connection, options)
    if (attempt.held) {
      try {
        return await Promise.race([work(), attempt.lost])
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
  | { readonly held: true; readonly lost: Promise<never>; readonly release: () => Promise<void> }
  | { readonly held: false; readonly by: string }

async function tryHold(
  connection: Connection,
  { holder, path = LOCK_PATH, silence = SILENCE, beat = BEAT, signal }: LockOptions,
): Promise<Attempt> {
  const { promise: held, resolve } = Promise.withResolvers<true>()
  const beats = new PassThrough()
  const ended = connection.run(["sh", "-c", HOLD, "sh", path, holder, String(silence)], {
    expect: [0, HELD_BY_ANOTHER],
    keep: "tail",
    stdin: beats,
    ...(signal && { signal }),
    onLine: line => {
      if (line === "held") resolve(true)
    },
  })
  const timer = setInterval(() => beats.write("\n"), beat)
  const stop = () => {
    clearInterval(timer)
    beats.end()
  }
  // A connection that is lost while the lock is held is the work's own failure, which tells more.
  ended.then(stop, stop)
  const first = await Promise.race([held, ended])
  if (first !== true) return { held: false, by: first.stdout.trim() || "a run that did not say who it is" }
  let released = false
  const lost = Promise.withResolvers<never>()
  lost.promise.catch(() => {})
  ended.then(
    () => released || lost.reject(new HostLockLostError(connection.name, silence)),
    () => {},
  )
  return {
    held: true,
    lost: lost.promise,
    release: async () => {
      released = true
      stop()
      await ended.catch(() => {})
    },
  }
}
