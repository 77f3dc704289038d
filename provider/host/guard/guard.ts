import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { Secret } from "../../secret.ts"
import type { Command, Connection } from "../../ssh/index.ts"
import { quote, quoteCommand } from "../../ssh/quote.ts"
import { guardState } from "../facts/parse.ts"
import { lines, parseFields } from "../facts/sections.ts"
import type { GuardState } from "../facts/types.ts"
import { FILES_SH } from "../files.ts"
import type { Action, GuardHooks, Step } from "../step.ts"

const read = (name: string) => readFileSync(new URL(name, import.meta.url), "utf8")
const GUARD_SH = `${FILES_SH}${read("guard.sh")}`
const ARM_SH = `${FILES_SH}${read("arm.sh")}`

/** Where guards live on the host. */
export const GUARD_DIRECTORY = "/var/lib/pulumi-xen/guard"
const RUNNER = `${GUARD_DIRECTORY}/guard.sh`

/** A guard that was armed by this run: only who holds the token can confirm it. */
export interface Guard {
  readonly name: string
  readonly token: string
  readonly window: number
}

/** Another change of the same kind waits for its confirmation, or is being taken back. */
export class GuardArmedError extends Error {
  override readonly name = "GuardArmedError"
  readonly host: string
  readonly guard: string

  constructor(host: string, guard: string, title: string) {
    super(
      `${host}: the guard "${guard}" is armed for another change ("${title}"). ` +
        "It reverts by itself at its deadline; run again then.",
    )
    this.host = host
    this.guard = guard
  }
}

/** A guarded change was not confirmed in time and the host has taken it back. */
export class GuardRevertedError extends Error {
  override readonly name = "GuardRevertedError"
  readonly host: string
  readonly guard: string
  /** What the guard did, oldest first. */
  readonly log: readonly string[]

  /** `why`: a sentence. Which host and step it is about, `StepError` says. */
  constructor(host: string, guard: string, why: string, log: readonly string[]) {
    super(
      `${why} The host has taken the change back and is on its old setting. ` +
        `What its guard did:\n${log.map(line => `  ${line}`).join("\n")}`,
    )
    this.host = host
    this.guard = guard
    this.log = log
  }
}

/**
 * The script that arms a guard for a step: it saves every file that the step touches, stores what the step
 * writes and runs, installs the units, and starts the time. Pure; sent on standard input.
 */
export function armingScript(step: Step, hooks: GuardHooks, token: string): string {
  const touched = step.actions.flatMap(action =>
    action.kind === "write" || action.kind === "remove" ? [action.path] : [],
  )
  const saved = [...touched, ...(hooks.written ?? [])]
  // Commands before the first file run while the old files are in place, the others when all new ones are.
  const first = step.actions.findIndex(({ kind }) => kind !== "run")
  const files = first === -1 ? 0 : first
  return [
    ARM_SH,
    `begin ${quote(hooks.name)}`,
    ...saved.map(path => `save ${quote(path)}`),
    ...step.actions.flatMap(action => intent(action)),
    hook("prepare", commandsOf(step.actions.slice(0, files)), "stop"),
    hook("change", commandsOf(step.actions.slice(files)), "stop"),
    hook("keep", commandsOf(hooks.keep ?? []), "stop"),
    hook("before", hooks.before, "go on"),
    hook("after", hooks.after, "go on"),
    hook("after-boot", hooks.afterBoot, "go on"),
    hook("check", hooks.check ? [hooks.check] : [], "stop"),
    hook("boot", hooks.trial ? [hooks.trial] : [], "stop"),
    `text restart ${hooks.restart === undefined ? "''" : "yes"}`,
    `text restart-boot ${hooks.restart === "always" ? "yes" : "''"}`,
    `state ${token} ${hooks.window} ${hooks.grace ?? 0} ${quote(step.title)}`,
    `units ${hooks.window} ${quote(GUARD_SH)}`,
    "commit",
    "",
  ].join("\n")
}

function commandsOf(actions: readonly Action[]): Command[] {
  return actions.flatMap(action => (action.kind === "run" ? [action.command] : []))
}

function intent(action: Step["actions"][number]): string[] {
  if (action.kind === "remove") return [`intend_absent ${quote(action.path)}`]
  if (action.kind !== "write") return []
  const content = action.content instanceof Secret ? action.content.reveal() : action.content
  return [`intend ${quote(action.path)} ${(action.mode ?? 0o644).toString(8)} ${quote(content)}`]
}

function hook(name: string, commands: readonly Command[], onFailure: "stop" | "go on"): string {
  const script = commands.map(quoteCommand)
  const body = onFailure === "stop" && script.length > 0 ? ["set -e", ...script] : script
  return `text ${name} ${quote(body.map(line => `${line}\n`).join(""))}`
}

/** Arms the guard of a step. When this returns, the host takes the step back unless it is confirmed. */
export async function arm(connection: Connection, step: Step, signal?: AbortSignal): Promise<Guard> {
  const hooks = hooksOf(step)
  const token = randomBytes(8).toString("hex")
  const { exit, stdout } = await connection.run(["sh", "-s"], {
    stdin: armingScript(step, hooks, token),
    expect: [0, 3],
    timeout: 300_000,
    ...(signal ? { signal } : {}),
  })
  if (exit === 3) throw new GuardArmedError(connection.name, hooks.name, parseFields(stdout).title ?? "")
  return { name: hooks.name, token, window: hooks.window }
}

export function hooksOf(step: Step): GuardHooks {
  if (!step.guard) throw new TypeError(`The step "${step.title}" has no guard`)
  return step.guard
}

/**
 * The guard's script in a unit of its own: it goes on whatever becomes of the connection. What it leaves running is the
 * network's, such as ifupdown's DHCP client, and must not be ended with the unit (KillMode= in systemd.kill(5)).
 */
const detached = (...what: readonly string[]): Command => [
  ...["systemd-run", "--quiet", "--no-block", "--property=KillMode=process", "/bin/sh", RUNNER],
  ...what,
]

/** Starts an armed change on the host, detached. */
export async function launch(connection: Connection, guard: Guard): Promise<void> {
  await connection.run(detached("change", guard.name, guard.token), { timeout: 120_000 })
}

/** How a confirmation ended: it held; the host had already begun to take the change back; or it was too early. */
export type Confirmation = "confirmed" | "too-late" | "not-made"

/** Disarms. To be called over a connection that was made after the change, never over an older one. */
export async function confirm(connection: Connection, guard: Guard): Promise<Confirmation> {
  const { exit } = await connection.run(["sh", RUNNER, "confirm", guard.name, guard.token], {
    expect: [0, 3, 6],
    timeout: 180_000,
  })
  return exit === 0 ? "confirmed" : exit === 3 ? "too-late" : "not-made"
}

/**
 * Whether an armed guard's time is running. When not, whoever armed it was killed before that: nothing was changed, and
 * the next to arm takes its place.
 */
export async function isRunning(connection: Connection, name: string): Promise<boolean> {
  const command = ["systemctl", "is-active", "--quiet", `pulumi-xen-guard-${name}.timer`]
  // 3 and 4 of systemctl(1): it is not active, or there is no such unit.
  const { exit } = await connection.run(command, { expect: [0, 3, 4], timeout: 30_000 })
  return exit === 0
}

/** Takes an armed change back now. Harmless when there is none, or when it was confirmed. */
export async function takeBack(connection: Connection, name: string): Promise<void> {
  await connection.run(detached("fire", name), { timeout: 120_000 })
}

export interface GuardReport {
  readonly state: GuardState | "none"
  readonly token: string
  readonly title: string
  /** The change is complete, and waits for its confirmation. */
  readonly made: boolean
  readonly log: readonly string[]
}

const REPORT = `cd "$1" 2>/dev/null || exit 0
cat state
[ -e made ] && echo made=yes
echo "boot=$(cat /proc/sys/kernel/random/boot_id)"
echo
cat log`

/** What a guard is doing or did; `none` where there never was one. */
export async function guardReport(connection: Connection, name: string): Promise<GuardReport> {
  const { stdout } = await connection.run(["sh", "-c", REPORT, "sh", `${GUARD_DIRECTORY}/${name}`], {
    timeout: 120_000,
  })
  const end = stdout.indexOf("\n\n")
  const fields = parseFields(stdout.slice(0, end))
  const { token = "", title = "", made } = fields
  return {
    state: fields.state === undefined ? "none" : guardState(fields, fields.boot),
    token,
    title,
    made: made === "yes",
    log: lines(stdout.slice(end + 1)),
  }
}
