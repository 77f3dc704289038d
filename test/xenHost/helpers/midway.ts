import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { readdirSync, readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import type { PulumiStack } from "../../helpers/pulumiStack.ts"

/** A `pulumi up`, or another command, that is somewhere in the middle. */
export interface Midway {
  /** What it has said until now. */
  readonly said: string
  /** SIGKILL for the provider alone; pulumi is left to find out. */
  killProvider(): Promise<void>
  /** SIGKILL for pulumi and its program; the provider is left to find out, and ends by itself. */
  killPulumi(): Promise<void>
  /** SIGKILL for pulumi and all that it started. */
  killAll(): Promise<void>
  /** Its end by itself, with all that it said. */
  ended(): Promise<string>
}

/** Runs `pulumi up`, or `destroy`, until its output shows the pattern. An end before that is an error. */
export async function upUntil(
  stack: PulumiStack,
  pattern: RegExp,
  command: "up" | "destroy" = "up",
): Promise<Midway> {
  const child = stack.start([command, "--yes", "--skip-preview"])
  child.stdin.end()
  let said = ""
  const exited = once(child, "close")
  child.stderr.on("data", chunk => {
    said += chunk
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", chunk => {
      said += chunk
      if (pattern.test(said)) resolve()
    })
    child.once("close", () => reject(new Error(`pulumi ended before ${pattern}:\n${said}`)))
  })
  const ended = async () => {
    await exited
    return said
  }
  const processes = () => {
    const all = family(child)
    const provider = all.find(({ command }) => /node\0.*\/provider\/main\.ts\0/.test(command))
    if (!provider) throw new Error(`no provider runs:\n${said}`)
    return { provider, others: all.filter(one => one !== provider) }
  }
  // Whoever was killed has left the lock of the state behind; a person would do the same.
  const unlock = () => stack.succeed(["cancel", "--yes"])
  return {
    said,
    ended,
    async killProvider() {
      end(processes().provider.pid)
    },
    async killPulumi() {
      const { provider, others } = processes()
      for (const { pid } of others) end(pid)
      await eventually("the provider to end", 60, async () => commandOf(provider.pid) === "")
      await unlock()
    },
    async killAll() {
      for (const { pid } of family(child)) end(pid)
      await ended()
      await unlock()
    },
  }
}

interface Process {
  readonly pid: number
  /** Words, each with a NUL behind it. */
  readonly command: string
}

/** Of a process that has ended it is empty. */
const commandOf = (pid: number): string => ifItRuns(() => readFileSync(`/proc/${pid}/cmdline`, "utf8"), "")

/** What proc(5) says of a process or a thread, or `otherwise` when it has ended. */
function ifItRuns<T>(look: () => T, otherwise: T): T {
  try {
    return look()
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return otherwise
    throw error
  }
}

/** A process and all that come from it. */
function family({ pid }: ChildProcess): Process[] {
  const found: Process[] = []
  const queue = [pid!]
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    found.push({ pid: next, command: commandOf(next) })
    queue.push(...childrenOf(next))
  }
  return found
}

/** Each thread has children of its own, and pulumi, a Go program, starts its plugins from any of its threads. */
function childrenOf(pid: number): number[] {
  const threads = ifItRuns(() => readdirSync(`/proc/${pid}/task`), [])
  return threads.flatMap(thread => {
    const children = ifItRuns(() => readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8"), "")
    return children.split(" ").filter(Boolean).map(Number)
  })
}

const end = (pid: number): unknown => ifItRuns(() => process.kill(pid, "SIGKILL"), false)

/** Asks until it holds, for at most so many seconds. */
export async function eventually(
  what: string,
  seconds: number,
  holds: () => Promise<boolean>,
): Promise<void> {
  for (const last = Date.now() + seconds * 1000; Date.now() < last; await sleep(1000)) {
    if (await holds().catch(() => false)) return
  }
  throw new Error(`${what}: not within ${seconds} s`)
}
