import { parseArgs } from "node:util"
import { XlcfgError } from "../errors.ts"
import { commands } from "./commands.ts"
import { UsageError } from "./source.ts"

const help = `xlcfg: the configuration files of Xen's xl

${Object.values(commands)
  .map(({ usage, line }) => `  xlcfg ${usage}\n      ${line}`)
  .join("\n")}

Without FILE, or with -, standard input is read.
Exit codes: 0 done, 1 something was found, 2 the command or a file is at fault.
`

/** Runs a command line and returns its exit code. */
export async function main(words: readonly string[]): Promise<number> {
  const [name, ...rest] = words
  if (name === undefined || name === "help" || name === "--help" || name === "-h") {
    process.stdout.write(help)
    return name === undefined ? 2 : 0
  }
  try {
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (command === undefined) throw new UsageError(`there is no command ${name}; xlcfg --help lists them`)
    const { values, positionals } = readOptions(rest, command.options, command.usage)
    return await command.run(positionals, values)
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof XlcfgError)) throw error
    process.stderr.write(`xlcfg: ${error.message}\n`)
    return 2
  }
}

function readOptions(words: string[], options: (typeof commands)[string]["options"], usage: string) {
  try {
    return parseArgs({ args: words, options, allowPositionals: true }) as {
      values: Record<string, string | boolean | undefined>
      positionals: string[]
    }
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\nusage: xlcfg ${usage}`)
  }
}
