import type { Secret } from "../secret.ts"
import type { Command } from "../ssh/command.ts"

/** Runs one command. `expect` lists the exit codes that are an answer (default `[0]`). */
export interface RunAction {
  readonly kind: "run"
  readonly command: Command
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string | Secret
  readonly expect?: readonly number[]
  /** What a person would type for it in a runbook, `[]` for nothing; default: the command itself. */
  readonly byHand?: Command
  /** Milliseconds until the command counts as hung. Default 600,000. */
  readonly timeout?: number
}

/** Writes a file aside, fsyncs it and renames it into place. `mode` is octal, default `0o644`. */
export interface WriteAction {
  readonly kind: "write"
  readonly path: string
  readonly content: string | Secret
  readonly mode?: number
}

/** Removes a file; one that is not there is as wanted. */
export interface RemoveAction {
  readonly kind: "remove"
  readonly path: string
}

/** Sends a local file to `path`; `sha256` (lower-case hex) is what must arrive. */
export interface UploadAction {
  readonly kind: "upload"
  readonly source: string
  readonly path: string
  readonly sha256: string
}

export type Action = RunAction | WriteAction | RemoveAction | UploadAction

/**
 * What a step can cost: nothing; a network that may be cut (needs the guard); a boot that may fail (needs the
 * guard); or the reboot itself.
 */
export type Risk = "none" | "network" | "boot" | "reboot"

/**
 * What the host runs by itself to take a step back when nobody confirms it. The files that the step writes or
 * removes are put back between `before` and `after`. Commands go on when one of them fails: half a network is
 * better than none.
 */
export interface GuardHooks {
  /** Guards of one name exclude each other: "network", "dom0". */
  readonly name: string
  /** Seconds in which a fresh connection must confirm. Counted anew after a trial boot. */
  readonly window: number
  /** Seconds that the wall clock's deadline lies later: the time that a restart takes. Default 0. */
  readonly grace?: number
  /**
   * What a person who does the step by hand looks at before `keep`: each succeeds where the change holds. A program
   * reads the facts instead. Default: nothing but that the host answers.
   */
  readonly proof?: readonly Command[]
  /** Makes a confirmed change lasting, before it counts as confirmed. Default: nothing is needed. */
  readonly keep?: readonly RunAction[]
  readonly before: readonly Command[]
  readonly after: readonly Command[]
  /** Instead of `before` and `after` when the revert happens at boot. */
  readonly afterBoot: readonly Command[]
  /** Files that the step's commands write, not the step: they are put back with the others. Default: none. */
  readonly written?: readonly string[]
  /** Succeeds once the old setting works again; without success the machine is restarted. */
  readonly check?: Command
  /** Succeeds at boot while the change is on trial. Without it a restart always reverts. */
  readonly trial?: Command
  /**
   * A revert ends with a restart: after a trial boot (the machine runs what failed), or also when the trial
   * did not even come up (it runs a fallback that is not the old setting). Default: never.
   */
  readonly restart?: "after-trial" | "always"
}

/**
 * One thing to do to a host, with its words. A plan is a list of them: the least list that leads from the
 * facts to what is wanted, `[]` when all is as wanted. The same list is executed by `apply.ts` and printed by
 * `runbook.ts`. Every action is safe to repeat: a step that was cut off is simply done again.
 */
export interface Step {
  /** Imperative, without a full stop: "Install xen-system-amd64". */
  readonly title: string
  readonly actions: readonly Action[]
  /** What takes the step back, in the order to run it. Empty: nothing to take back. */
  readonly undo: readonly Action[]
  readonly risk: Risk
  /** How the host takes it back by itself; every step whose risk is `network` or `boot` has it. */
  readonly guard?: GuardHooks
  /** Where an action fails, the step is taken back by its `undo` at once: half of it would be in everybody's way. */
  readonly whole?: true
  /** Why, where the title does not tell. */
  readonly note?: string
  /** Reads a line of the step's output as progress ("installing 3 of 12: libfoo"), or nothing. */
  readonly progress?: () => (line: string) => string | undefined
}

/** The least list of steps; `[]` means that the host is as wanted. */
export type Plan = readonly Step[]

/** A step that is safe and needs no undo unless `more` says otherwise. */
export function step(title: string, actions: readonly Action[], more: Partial<Step> = {}): Step {
  return { title, actions, undo: [], risk: "none", ...more }
}

export function run(command: Command, more: Omit<RunAction, "kind" | "command"> = {}): RunAction {
  return { kind: "run", command, ...more }
}

export function write(path: string, content: string | Secret, mode?: number): WriteAction {
  return mode === undefined ? { kind: "write", path, content } : { kind: "write", path, content, mode }
}

export function remove(path: string): RemoveAction {
  return { kind: "remove", path }
}

export function upload(source: string, path: string, sha256: string): UploadAction {
  return { kind: "upload", source, path, sha256 }
}
