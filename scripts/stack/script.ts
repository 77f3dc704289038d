import { type ConnectionInput, Hosts } from "../../provider/resources/connection.ts"
import { SshError } from "../../provider/ssh/errors.ts"
import type { Connection } from "../../provider/ssh/index.ts"
import { NoSuchDomainError } from "./deployed.ts"
import { PulumiError } from "./pulumi.ts"

/** What a script on a stack is given. */
export interface Surroundings {
  /** Aborted on Ctrl-C. */
  readonly signal: AbortSignal
  /** A connection to a host of the stack, as its resources have it. */
  connect(input: ConnectionInput): Promise<Connection>
}

/** Words of the command line that a script cannot take; it answers with its usage. */
export class UsageError extends Error {
  override readonly name = "UsageError"
}

/**
 * Runs a script: its errors are sentences, Ctrl-C ends what it runs on hosts, and its connections are closed. The
 * exit code is what `work` returns, 1 for a failure and 2 for words that it cannot take.
 */
export async function runScript(
  usage: string,
  work: (surroundings: Surroundings) => Promise<number>,
): Promise<void> {
  const ending = new AbortController()
  process.once("SIGINT", () => ending.abort())
  process.once("SIGTERM", () => ending.abort())
  const hosts = new Hosts()
  const { signal } = ending
  try {
    process.exitCode = await work({ signal, connect: input => hosts.connect(input, { signal }) })
  } catch (error) {
    if (signal.aborted) process.exitCode = 130
    else {
      process.exitCode = isForUser(error) ? 1 : 2
      if (!isForUser(error) && !isUsage(error)) throw error
      console.error((error as Error).message)
      if (isUsage(error)) console.error(`\n${usage}`)
    }
  } finally {
    await hosts.close()
  }
}

const isUsage = (error: unknown): boolean =>
  error instanceof UsageError ||
  (error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS"))

const isForUser = (error: unknown): boolean =>
  error instanceof PulumiError || error instanceof NoSuchDomainError || error instanceof SshError
