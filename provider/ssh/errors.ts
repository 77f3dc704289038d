import type { Command } from "./command.ts"
import { formatCommand } from "./quote.ts"

/** Every error of this folder: `host` is the connection's name, `root@www1:22`. */
export class SshError extends Error {
  readonly host: string

  constructor(host: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.host = host
  }
}

/** Why there is no connection. `closed`: the other side spoke no SSH, or hung up before it was done. */
export type ConnectFailure =
  | "target"
  | "config"
  | "dns"
  | "refused"
  | "unreachable"
  | "timeout"
  | "closed"
  | "protocol"
  | "host-key-unknown"
  | "host-key-mismatch"
  | "host-key-revoked"
  | "host-certificate"
  | "key-file"
  | "passphrase"
  | "agent"
  | "auth"
  | "jump"

/** No connection was made, and no command was run. */
export class ConnectError extends SshError {
  readonly kind: ConnectFailure

  constructor(host: string, kind: ConnectFailure, message: string, options?: ErrorOptions) {
    super(host, message, options)
    this.kind = kind
  }
}

/** An established connection ended under an operation. */
export class ConnectionLostError extends SshError {
  /** False when nothing of the operation can have happened on the host. */
  readonly started: boolean

  constructor(host: string, doing: string, reason: string, started: boolean) {
    const next = started
      ? "It may have been carried out, in part or whole: run again to converge."
      : "Nothing was carried out."
    super(host, `The connection to ${host} was lost while ${doing}: ${reason}. ${next}`)
    this.started = started
  }
}

interface Outcome {
  command: Command
  stdout: string
  stderr: string
}

/**
 * The command ran and ended with a code that was no answer, or by a signal; then, and when the server did not say
 * how it ended, `exit` is null.
 */
export class RemoteCommandError extends SshError {
  readonly command: Command
  readonly exit: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string

  constructor(host: string, outcome: Outcome & { exit: number | null; signal: string | null }) {
    const how = manner(outcome.exit, outcome.signal)
    super(host, `On ${host}, \`${formatCommand(outcome.command)}\` ${how}${lastLines(outcome)}`)
    this.command = outcome.command
    this.exit = outcome.exit
    this.signal = outcome.signal
    this.stdout = outcome.stdout
    this.stderr = outcome.stderr
  }
}

/** The command could not be started: no such directory, a login shell that refuses, a session that is refused. */
export class CommandStartError extends SshError {
  readonly command: Command
  readonly stderr: string

  constructor(host: string, command: Command, why: string, stderr: string) {
    super(
      host,
      `On ${host}, \`${formatCommand(command)}\` was not started: ${why}${lastLines({ stdout: "", stderr })}`,
    )
    this.command = command
    this.stderr = stderr
  }
}

/** sudo refused: `password` is missing or wrong, `refused` by sudoers, or `missing` on the host. */
export class SudoError extends SshError {
  readonly kind: "missing" | "password" | "refused"

  constructor(host: string, kind: SudoError["kind"], message: string) {
    super(host, message)
    this.kind = kind
  }
}

/** The command's time was over. `ended`: its process group is known to be gone. */
export class CommandTimeoutError extends SshError {
  readonly command: Command
  readonly timeout: number
  readonly ended: boolean
  readonly stdout: string
  readonly stderr: string

  constructor(host: string, outcome: Outcome & { timeout: number; ended: boolean }) {
    const now = outcome.ended ? "its processes were ended" : "it may still be running there"
    super(
      host,
      `On ${host}, \`${formatCommand(outcome.command)}\` took longer than ${outcome.timeout / 1000} s; ${now}${lastLines(outcome)}`,
    )
    this.command = outcome.command
    this.timeout = outcome.timeout
    this.ended = outcome.ended
    this.stdout = outcome.stdout
    this.stderr = outcome.stderr
  }
}

/** The caller's signal was aborted. `ended`: nothing of the operation runs on the host any more. */
export class AbortedError extends SshError {
  readonly ended: boolean

  constructor(host: string, doing: string, ended: boolean) {
    super(host, `Cancelled on ${host} while ${doing}${ended ? "" : "; it may still be running there"}.`)
    this.ended = ended
  }
}

/** The command printed more than is kept. */
export class OutputTooLargeError extends SshError {
  readonly command: Command

  constructor(host: string, command: Command, limit: number) {
    const mib = limit / 1024 / 1024
    super(host, `On ${host}, \`${formatCommand(command)}\` printed more than ${mib} MiB and was ended.`)
    this.command = command
  }
}

export type UploadFailure =
  | "path"
  | "source"
  | "no-space"
  | "permission"
  | "read-only"
  | "no-directory"
  | "is-directory"
  | "digest"
  | "unsupported"
  | "failed"

/** The file is not there, and what was sent of it is gone again. */
export class UploadError extends SshError {
  readonly kind: UploadFailure
  readonly path: string

  constructor(host: string, kind: UploadFailure, path: string, message: string, options?: ErrorOptions) {
    super(host, message, options)
    this.kind = kind
    this.path = path
  }
}

function manner(exit: number | null, signal: string | null): string {
  if (exit !== null) return `ended with exit code ${exit}`
  return signal === null ? "ended without saying how" : `was ended by ${signal}`
}

const SHOWN_LINES = 20

/** What the command said last: of stderr, or of stdout where stderr is empty. */
function lastLines({ stdout, stderr }: { stdout: string; stderr: string }): string {
  const said = stderr.trim() || stdout.trim()
  if (!said) return "; it printed nothing."
  const lines = said.split("\n").slice(-SHOWN_LINES)
  return lines.length === 1 ? `: ${lines[0]}` : `:\n${lines.map(line => `  ${line}`).join("\n")}`
}
