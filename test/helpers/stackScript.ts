import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { Outcome, PulumiStack } from "./pulumiStack.ts"

/** `npm run SCRIPT -- ARGUMENTS` on a stack of the tests; what is typed goes to its standard input. */
export function startScript(
  stack: PulumiStack,
  script: string,
  args: readonly string[],
): ChildProcessWithoutNullStreams {
  const path = fileURLToPath(new URL(`../../scripts/${script}.ts`, import.meta.url))
  return spawn(process.execPath, [path, ...args], {
    cwd: stack.project,
    env: stack.environment,
    stdio: ["pipe", "pipe", "pipe"],
  })
}

/** The same, to its end. */
export async function runScript(stack: PulumiStack, script: string, ...args: string[]): Promise<Outcome> {
  const child = startScript(stack, script, args)
  child.stdin.end()
  const [out, err] = [[], []] as [string[], string[]]
  child.stdout.on("data", chunk => out.push(String(chunk)))
  child.stderr.on("data", chunk => err.push(String(chunk)))
  const [exit] = (await once(child, "close")) as [number]
  return { exit, stdout: out.join(""), stderr: err.join("") }
}

/** Resolves when the lines of a running script hold the text. */
export async function says(child: ChildProcessWithoutNullStreams, text: string): Promise<void> {
  let seen = ""
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    seen += String(chunk)
    if (seen.includes(text)) return
  }
  throw new Error(`it ended without saying ${JSON.stringify(text)}:\n${seen}`)
}
