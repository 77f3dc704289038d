import { Readable } from "node:stream"
import type { ClientChannel } from "ssh2"
import { Secret } from "../secret.ts"
import type { Command } from "./command.ts"
import { commandLine, type Elevation, MAX_LINE } from "./commandLine.ts"
import type { RunOptions, RunResult } from "./contract.ts"
import {
  AbortedError,
  CommandStartError,
  CommandTimeoutError,
  OutputTooLargeError,
  RemoteCommandError,
  SudoError,
} from "./errors.ts"
import type { Link } from "./link.ts"
import { MAX_OUTPUT, Output } from "./output.ts"
import { formatCommand } from "./quote.ts"

/** Within this folder a command may be fed little by little, too. */
export type FedOptions = Omit<RunOptions, "stdin"> & { stdin?: RunOptions["stdin"] | Readable }

/** Why a command is ended before its time. */
type Interruption = "timeout" | "abort" | "output"

/** Runs a command on a link, as the login user or through sudo. */
export async function run(
  link: Link,
  elevation: Elevation,
  command: Command,
  options: FedOptions,
): Promise<RunResult> {
  const { cwd, env = {}, signal, timeout, expect = [0] } = options
  const doing = `running \`${formatCommand(command)}\``
  const line = commandLine(command, { cwd, env, elevation })
  const length = Buffer.byteLength(line)
  if (length > MAX_LINE) {
    const why = `with its arguments it is ${length} bytes long, and at most ${MAX_LINE} can be given. Give data on standard input`
    throw new CommandStartError(link.name, command, why, "")
  }
  const start = (channel: ClientChannel): Running => new Running(channel, elevation, options)
  const running = await link.exec(line, doing, start, signal).catch(error => {
    throw signal?.aborted ? new AbortedError(link.name, doing, true) : error
  })
  const interrupted = await running.outcome(timeout, signal)
  const { stdout, stderr } = running
  const outcome = { command, stdout: stdout.text, stderr: stderr.text }
  if (interrupted) {
    const ended = await running.end(link)
    if (interrupted === "timeout") {
      throw new CommandTimeoutError(link.name, { ...outcome, timeout: timeout ?? 0, ended })
    }
    if (interrupted === "abort") throw new AbortedError(link.name, doing, ended)
    throw new OutputTooLargeError(link.name, command, MAX_OUTPUT)
  }
  const { exit, exitSignal } = running
  if (exit === null && exitSignal === null) {
    // The end of the connection is told to its channels first.
    await Promise.race([link.ended, new Promise(resolve => setTimeout(resolve, 100))])
    if (link.lost !== undefined) throw link.lostError(doing, true)
  }
  if (running.ids === undefined) throw startError(link.name, command, elevation, exit, outcome)
  if (exit === null || !expect.includes(exit)) {
    throw new RemoteCommandError(link.name, { ...outcome, exit, signal: exitSignal })
  }
  return { exit, stdout: outcome.stdout, stderr: outcome.stderr }
}

/** A command between its start and its end. */
class Running {
  readonly stdout: Output
  readonly stderr: Output
  exit: number | null = null
  exitSignal: string | null = null
  /** /proc/PID/stat of the process as it began; undefined before. */
  ids: string | undefined
  readonly #channel: ClientChannel
  readonly #elevation: Elevation
  readonly #closed: Promise<void>
  #overflow: () => void = () => {}

  constructor(channel: ClientChannel, elevation: Elevation, { keep = "all", onLine, stdin }: FedOptions) {
    this.#channel = channel
    this.#elevation = elevation
    const output = (stream: "stdout" | "stderr", marked: boolean): Output =>
      new Output({ keep, marked, onLine: onLine && (line => onLine(line, stream)) })
    this.stdout = output("stdout", true)
    this.stderr = output("stderr", elevation !== "none")
    channel.on("data", (chunk: Buffer) => {
      this.ids = this.stdout.push(chunk) ?? this.ids
      if (this.stdout.overflowed) this.#overflow()
    })
    channel.stderr.on("data", (chunk: Buffer) => {
      this.stderr.push(chunk)
      if (this.stderr.overflowed) this.#overflow()
    })
    channel.on("exit", (code: number | null, signal?: string) => {
      this.exit = code
      this.exitSignal = signal ?? null
    })
    channel.on("error", () => {})
    this.#closed = new Promise(resolve => {
      channel.once("close", () => {
        this.stdout.finish()
        this.stderr.finish()
        resolve()
      })
    })
    if (stdin instanceof Readable) {
      channel.write(password(elevation))
      stdin.pipe(channel)
    } else channel.end(Buffer.concat([password(elevation), bytes(stdin)]))
  }

  /** Waits for the end, or for what interrupts it. */
  async outcome(
    timeout: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Interruption | undefined> {
    let timer: NodeJS.Timeout | undefined
    let onAbort = (): void => {}
    const interruption = new Promise<Interruption>(resolve => {
      if (timeout !== undefined) timer = setTimeout(resolve, timeout, "timeout")
      onAbort = () => resolve("abort")
      if (signal?.aborted) onAbort()
      signal?.addEventListener("abort", onAbort, { once: true })
      this.#overflow = () => resolve("output")
    })
    const outcome = await Promise.race([this.#closed.then(() => undefined), interruption])
    clearTimeout(timer)
    signal?.removeEventListener("abort", onAbort)
    return outcome
  }

  /**
   * Ends the process group on the host: closing the channel would leave it running. Before the command has
   * begun closing is enough, because printing the marker then fails.
   *
   * @returns whether nothing of it is left
   */
  async end(link: Link): Promise<boolean> {
    if (this.ids === undefined) {
      this.#channel.close()
      return (await within(5000, this.#closed)) && this.ids === undefined
    }
    const group = processGroup(this.ids)
    const killed = await within(20_000, this.#kill(link, group))
    this.#channel.close()
    return killed
  }

  async #kill(link: Link, group: string): Promise<void> {
    const command = ["sh", "-c", END_GROUP, "sh", group]
    const line = commandLine(command, { cwd: undefined, env: {}, elevation: this.#elevation })
    const killer = await link.execSpare(
      line,
      `ending process group ${group}`,
      channel => new Running(channel, this.#elevation, {}),
    )
    await killer.#closed
    if (killer.exit !== 0) throw new Error(`${group} was not ended`)
  }
}

/**
 * Asks politely, then not; exits with 0 when no process of the group is left. Zombies are none: who should reap
 * them may take its time, and a signal cannot tell them from the living.
 */
const END_GROUP = `
group=$1
alive() {
  for stat in /proc/[0-9]*/stat; do
    read -r fields 2>/dev/null <"$stat" || continue
    set -- \${fields##*) }
    [ "$3" != "$group" ] || [ "$1" = Z ] || return 0
  done
  return 1
}
for attempt in TERM 1 2 3 4 5 6 7 8 9 KILL 11 12 13 14; do
  case $attempt in TERM | KILL) kill -s $attempt -- "-$group" 2>/dev/null ;; esac
  alive || exit 0
  sleep 0.2
done
exit 1
`

/** The fifth field of proc(5) \`stat\`; the second is the program's name in parentheses, which may hold anything. */
function processGroup(stat: string): string {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return fields[2] ?? ""
}

function startError(
  host: string,
  command: Command,
  elevation: Elevation,
  exit: number | null,
  { stdout, stderr }: { stdout: string; stderr: string },
): CommandStartError | SudoError {
  const said = [stdout, stderr]
    .map(text => text.trim())
    .filter(Boolean)
    .join("\n")
  if (elevation !== "none") return sudoError(host, elevation, exit, said)
  return new CommandStartError(host, command, `the login shell ended before it, with exit code ${exit}`, said)
}

/** 127 is the shell's word for a program that it does not find (POSIX, 2.8.2). */
export function sudoError(host: string, elevation: Elevation, exit: number | null, said: string): SudoError {
  const quoted = said ? ` It said: ${said}` : ""
  if (exit === 127) {
    const message = `There is no sudo on ${host}, and the user is not root. Connect as root, or install sudo there.${quoted}`
    return new SudoError(host, "missing", message)
  }
  if (elevation === "sudo") {
    const message = `sudo on ${host} does not run commands without a password. Give sudoPassword, or allow NOPASSWD in sudoers.${quoted}`
    return new SudoError(host, "password", message)
  }
  const message = `sudo on ${host} refused: the password is wrong, or sudoers does not allow this user to run commands.${quoted}`
  return new SudoError(host, "refused", message)
}

const password = (elevation: Elevation): Buffer =>
  Buffer.from(typeof elevation === "object" ? `${elevation.password.reveal()}\n` : "")

const bytes = (stdin: RunOptions["stdin"]): Uint8Array =>
  stdin instanceof Secret
    ? Buffer.from(stdin.reveal())
    : typeof stdin === "string"
      ? Buffer.from(stdin)
      : (stdin ?? Buffer.alloc(0))

/** Whether it is fulfilled in time. */
async function within(milliseconds: number, promise: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>(resolve => {
    timer = setTimeout(resolve, milliseconds, false)
  })
  const done = promise.then(
    () => true,
    () => false,
  )
  try {
    return await Promise.race([done, late])
  } finally {
    clearTimeout(timer)
  }
}
