import { spawn } from "node:child_process"

export interface Result {
  readonly exit: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program of this machine to its end, whatever its exit code. */
export function exec(
  command: readonly string[],
  { stdin = "", timeout = 120_000 }: { stdin?: string | Uint8Array; timeout?: number } = {},
): Promise<Result> {
  const [program = "", ...words] = command
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: "pipe", timeout, killSignal: "SIGKILL" })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on("data", chunk => out.push(chunk))
    child.stderr.on("data", chunk => err.push(chunk))
    child.stdin.on("error", () => {})
    child.stdin.end(stdin)
    child.on("error", reject)
    const end = (exit: number | null) =>
      resolve({ exit, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() })
    // A daemon that the program left behind (zypper's gpg-agent) may keep the output open for minutes. On a busy machine
    // the timer can be over before what the program wrote was read: that is read between a timer and an immediate.
    child.on("exit", exit => setTimeout(() => setImmediate(end, exit), 1000).unref())
    child.on("close", end)
  })
}

/** The same, where anything but success is the test's own failure. */
export async function must(command: readonly string[], stdin = "", timeout = 120_000): Promise<string> {
  const { exit, stdout, stderr } = await exec(command, { stdin, timeout })
  if (exit !== 0) throw new Error(`${command.join(" ")} ended with ${exit}: ${stderr}${stdout}`)
  return stdout
}
