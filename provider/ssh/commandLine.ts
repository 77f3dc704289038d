import type { Secret } from "../secret.ts"
import type { Command } from "./command.ts"
import { quote, quoteCommand, UnquotableError } from "./quote.ts"

/** How a command becomes root's. With a password sudo always reads one line of standard input first. */
export type Elevation = "none" | "sudo" | { password: Secret }

export interface Surroundings {
  cwd: string | undefined
  env: Readonly<Record<string, string>>
  elevation: Elevation
}

/** Printed when all is ready and the command itself begins; what comes before it is a login shell's chatter. */
export const MARKER = "pulumi-xen:started"

/** Linux takes no argument longer than this (MAX_ARG_STRLEN, less its NUL), and the line is one: `sh -c LINE`. */
export const MAX_LINE = 128 * 1024 - 1

/**
 * The line for the host's login shell, which must be of the POSIX family. The marker comes last before the
 * command replaces the shell: a directory that is not there, a sudo that refuses or a shell that is none ends
 * the line ahead of it, and can never be taken for an answer of the command. It carries the process's ids
 * (proc(5), `stat`), which is how the command is ended when its time is over.
 */
export function commandLine(command: Command, { cwd, env, elevation }: Surroundings): string {
  const exports = Object.entries({ LC_ALL: "C", ...env }).map(
    ([key, value]) => `${variable(key)}=${quote(value)}`,
  )
  const prepare = [
    ...(cwd === undefined ? [] : [`cd -- ${quote(cwd.startsWith("/") ? cwd : `./${cwd}`)}`]),
    `export ${exports.join(" ")}`,
    "read -r _s </proc/self/stat",
    `echo "${MARKER} $_s"`,
  ].join(" && ")
  if (elevation === "none") return `${prepare} && exec ${quoteCommand(command)}`
  // sudo has its own chatter (its lecture, a failed PAM module) on standard error: marked there, too.
  const inner = `${prepare} && echo "${MARKER} $_s" >&2 && exec "$@"`
  return quoteCommand([...sudo(elevation), "--", "sh", "-c", inner, "sh", ...command])
}

/** `-k`: the password is asked for whatever was cached, so that its line is never left for the command. */
export function sudo(elevation: Exclude<Elevation, "none">): Command {
  return elevation === "sudo" ? ["sudo", "-n"] : ["sudo", "-k", "-S", "-p", ""]
}

function variable(name: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw new UnquotableError(`${JSON.stringify(name)} is no name of an environment variable`)
  }
  return name
}
