import { Secret } from "../secret.ts"
import type { Connection } from "../ssh/index.ts"
import { replaceFile } from "./files.ts"
import { guarded, restartHost } from "./guard/guarded.ts"
import type { Action, Plan, RunAction, Step, WriteAction } from "./step.ts"

export interface ApplyOptions {
  /**
   * For guarded steps: looks at the host over a fresh connection and throws when it is not as wanted. Usually:
   * read the facts, plan again, and expect `[]`.
   */
  readonly verify?: (fresh: Connection, step: Step) => Promise<void>
  readonly signal?: AbortSignal
  /** What is being done, and how far it is: one line, for people. */
  readonly onStatus?: (text: string) => void
}

/** A step could not be carried out. What came before it is done; the next run goes on from there. */
export class StepError extends Error {
  override readonly name = "StepError"
  readonly host: string
  readonly step: string

  /** `outcome`: a sentence, what has become of the part that was done. */
  constructor(host: string, step: string, cause: unknown, outcome?: string) {
    const next = outcome === undefined ? "" : `\n${outcome}`
    super(`${host}: ${step}: ${messageOf(cause)}${next}`, { cause })
    this.host = host
    this.step = step
  }
}

const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))

/** Carries out a plan, step by step; what can cut the host off goes through the guard. */
export async function apply(connection: Connection, plan: Plan, options: ApplyOptions = {}): Promise<void> {
  let current = connection
  try {
    for (const [at, step] of plan.entries()) {
      const count = plan.length > 1 ? ` (${at + 1} of ${plan.length})` : ""
      await applyStep(current, step, `${step.title}${count}`, options)
      // A restart closes the connection that it was begun over.
      if (restarts(step) && at + 1 < plan.length) {
        const next = await connection.fresh(options.signal ? { signal: options.signal } : {})
        if (current !== connection) await current.close()
        current = next
      }
    }
  } finally {
    if (current !== connection) await current.close()
  }
}

const restarts = ({ risk }: Step): boolean => risk === "boot" || risk === "reboot"

async function applyStep(
  connection: Connection,
  step: Step,
  title: string,
  options: ApplyOptions,
): Promise<void> {
  const status = stopwatch(title, options.onStatus)
  options.signal?.throwIfAborted()
  status()
  try {
    if (step.guard) await applyGuarded(connection, step, options)
    else if (step.risk === "reboot") await restartHost(connection, options)
    else {
      using _ = every(SILENCE, status)
      for (const action of step.actions) await act(connection, step, action, options, status)
    }
  } catch (error) {
    const outcome = step.whole ? await takeBack(connection, step) : undefined
    throw new StepError(connection.name, step.title, error, outcome)
  }
}

/** Tells in a sentence what has come of it. It is done also for who has stopped the run: it takes no time. */
async function takeBack(connection: Connection, step: Step): Promise<string> {
  try {
    for (const action of step.undo) await act(connection, step, action, {}, () => {})
    return "What this step had added was taken back."
  } catch (error) {
    return `What this step had added could not be taken back (${messageOf(error)}): run again, or remove it by a destroy.`
  }
}

async function applyGuarded(connection: Connection, step: Step, options: ApplyOptions): Promise<void> {
  const { verify, signal, onStatus } = options
  await guarded(connection, step, {
    verify: async fresh => verify?.(fresh, step),
    ...(signal ? { signal } : {}),
    ...(onStatus ? { onStatus } : {}),
  })
}

/** Milliseconds after which a command that says nothing is said to go on. */
const SILENCE = 5000

function every(milliseconds: number, what: () => void): Disposable {
  const timer = setInterval(what, milliseconds)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

/** "title", "title: detail, 12 s"; the detail that was told last, where none is given. */
function stopwatch(title: string, onStatus: ApplyOptions["onStatus"]): (detail?: string) => void {
  const began = Date.now()
  let last: string | undefined
  return (detail = last) => {
    last = detail
    const seconds = Math.round((Date.now() - began) / 1000)
    onStatus?.(`${title}${detail ? `: ${detail}` : ""}${seconds > 0 ? `, ${seconds} s` : ""}`)
  }
}

async function act(
  connection: Connection,
  step: Step,
  action: Action,
  { signal }: ApplyOptions,
  status: (detail?: string) => void,
): Promise<void> {
  const abort = signal ? { signal } : {}
  switch (action.kind) {
    case "run":
      await connection.run(action.command, { ...runOptions(action), ...abort, onLine: reader(step, status) })
      return
    case "write":
      await connection.run(replaceFile(action.path, action.mode ?? 0o644, sizeOf(action)), {
        stdin: action.content,
        ...abort,
      })
      return
    case "remove":
      await connection.run(["rm", "-f", action.path], abort)
      return
    case "upload":
      await connection.upload(action.source, action.path, { sha256: action.sha256, ...abort })
  }
}

function sizeOf({ content }: WriteAction): number {
  return Buffer.byteLength(content instanceof Secret ? content.reveal() : content)
}

function runOptions({ env, stdin, expect, timeout = 600_000 }: RunAction) {
  return {
    timeout,
    keep: "tail" as const,
    ...(env ? { env } : {}),
    ...(stdin === undefined ? {} : { stdin }),
    ...(expect ? { expect } : {}),
  }
}

function reader(step: Step, status: (detail?: string) => void): (line: string) => void {
  const read = step.progress?.()
  return line => {
    const detail = read?.(line)
    if (detail !== undefined) status(detail)
  }
}
