import { $, type ProcessPromise } from "zx"
import type { Command } from "../../provider/ssh/command.ts"
import { ProgramFailed } from "./errors.ts"

/** Where and how a local program runs. */
export type RunOptions = {
  /** Working directory. */
  cwd?: string
  /** Text for standard input. */
  input?: string
  /** Added to this process's environment. */
  env?: Record<string, string>
  signal?: AbortSignal
}

/**
 * Runs a program of this machine and returns its standard output. `wanted` begins the sentence of the error.
 * The program dies with this process, even when this process is killed with kill -9.
 */
export async function run(wanted: string, command: Command, options: RunOptions = {}): Promise<string> {
  const child = quiet(options)`${tied(command)}`
  // A program may end before it has read all of its input; what that means its exit code tells.
  child.stdin.on("error", () => {})
  // zx leaves it open where there is nothing to be said, and who reads it would wait for ever.
  if (!options.input) child.stdin.end()
  const output = await child
  if (output.exitCode !== 0) throw new ProgramFailed(wanted, command[0]!, output.exitCode, output.stderr)
  return output.stdout
}

/** The command, sent SIGKILL by the kernel when its parent ends (PR_SET_PDEATHSIG in prctl(2)). */
export const tied = (command: Command): string[] => ["setpriv", "--pdeathsig", "KILL", "--", ...command]

/** The command as it is for root, and under fakeroot for others, who cannot own files as root. */
export const asOwner = (command: Command): string[] =>
  process.getuid?.() === 0 ? [...command] : ["fakeroot", "--", ...command]

/**
 * For root, the command in name spaces of its own, where all that it starts and mounts ends with it. mmdebstrap, killed
 * without them, leaves /proc and /sys in a half-made tree, which nobody can sweep away. Others' mmdebstrap makes some.
 */
export const alone = (command: Command): string[] =>
  process.getuid?.() === 0
    ? ["unshare", "--mount", "--mount-proc", "--pid", "--fork", "--kill-child", "--", ...command]
    : [...command]

/** One word for the shells that QEMU and mmdebstrap start: in single quotes, as POSIX has them. */
export const shellWord = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/**
 * The environment of the programs: untranslated, sbin in PATH for users who have it not. The outermost bash whose
 * standard input is a socket, which Node's pipes are, takes itself for rsh's and reads ~/.bashrc (INVOCATION in
 * bash(1)); what stands there may print, or wait for a lock as pyenv's does. One of the second level does not.
 */
export const environment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  LC_ALL: "C.UTF-8",
  SHLVL: "1",
  PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
})

function quiet({ cwd, input, env, signal }: RunOptions) {
  return $({
    quiet: true,
    nothrow: true,
    env: { ...environment(), ...env },
    ...(cwd === undefined ? {} : { cwd }),
    ...(input === undefined ? {} : { input }),
    ...(signal === undefined ? {} : { signal }),
  }) as (pieces: TemplateStringsArray, ...args: unknown[]) => ProcessPromise
}
