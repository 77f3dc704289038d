import { type ParseArgsOptionsConfig, parseArgs } from "node:util"
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

/** What a script can be told. Each one also knows --stack and --help. */
export interface CommandLine<Options extends ParseArgsOptionsConfig> {
  /** What `--help` and a mistake print. */
  readonly usage: string
  /** What has to be named, for the message when it is not: `a domain`. */
  readonly names?: string
  /** Words after the first that may be there. Default 0. */
  readonly more?: number
  readonly options: Options
}

const everywhere = { stack: { type: "string" }, help: { type: "boolean", short: "h" } } as const

type Parsed<Options extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: Options & typeof everywhere; allowPositionals: true }>
>

/**
 * Runs a script: its errors are sentences, Ctrl-C ends what it runs on hosts, and its connections are closed. The
 * exit code is what `work` returns, 1 for a failure and 2 for words that it cannot take.
 */
export async function runScript<const Options extends ParseArgsOptionsConfig>(
  line: CommandLine<Options>,
  work: (told: Parsed<Options>, surroundings: Surroundings) => Promise<number>,
): Promise<void> {
  const ending = new AbortController()
  process.once("SIGINT", () => ending.abort())
  process.once("SIGTERM", () => ending.abort())
  const hosts = new Hosts()
  const { signal } = ending
  try {
    const told = understand(line)
    if (told === "help") console.log(line.usage)
    else process.exitCode = await work(told, { signal, connect: input => hosts.connect(input, { signal }) })
  } catch (error) {
    if (signal.aborted) process.exitCode = 130
    else {
      process.exitCode = isForUser(error) ? 1 : 2
      if (!isForUser(error) && !isUsage(error)) throw error
      console.error((error as Error).message)
      if (isUsage(error)) console.error(`\n${line.usage}`)
    }
  } finally {
    await hosts.close()
  }
}

function understand<Options extends ParseArgsOptionsConfig>(
  line: CommandLine<Options>,
): Parsed<Options> | "help" {
  const told = parseArgs({ options: { ...everywhere, ...line.options }, allowPositionals: true })
  if ("help" in told.values && told.values.help) return "help"
  const { positionals } = told
  const most = line.names === undefined ? 0 : 1 + (line.more ?? 0)
  if (line.names !== undefined && positionals.length === 0) throw new UsageError(`Name ${line.names}.`)
  if (positionals.length > most)
    throw new UsageError(`There is no use for ${JSON.stringify(positionals[most])}.`)
  return told as Parsed<Options>
}

export const isUsage = (error: unknown): boolean =>
  error instanceof UsageError ||
  (error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS"))

const isForUser = (error: unknown): boolean =>
  error instanceof PulumiError || error instanceof NoSuchDomainError || error instanceof SshError
