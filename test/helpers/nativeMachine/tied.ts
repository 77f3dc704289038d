import { type ChildProcess, spawn } from "node:child_process"

/** Starts a program that ends with this process at the latest. */
export function tied(
  command: readonly string[],
  stdout: "ignore" | "pipe" = "ignore",
  env: NodeJS.ProcessEnv = {},
): ChildProcess {
  return spawn("setpriv", ["--pdeathsig", "KILL", "--", ...command], {
    stdio: ["ignore", stdout, "ignore"],
    env: { ...process.env, ...env },
  })
}
