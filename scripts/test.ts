/**
 * `npm test`: first what needs no machine of the lab, with a few that show the whole way; then the rest of the machines, two
 * at a time. TEST_MINUTES is a limit for all of it, for a service that has one: where machines are emulated on a slow
 * processor, what does not fit any more is not begun, and named in the end. Without it everything runs, however long.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { later, minutesOfFirst } from "./test/machines.ts"
import { failedIn, redOf } from "./test/red.ts"

const began = Date.now()
const passed = (): number => (Date.now() - began) / 60_000
const limit = Number(process.env.TEST_MINUTES ?? Number.POSITIVE_INFINITY)
/** Minutes after the limit at which what still runs is ended. */
const grace = 5

/** What each run of ava that was not green says in its end: told again in ours, where it is not lost among hours of output. */
const red: string[] = []

/**
 * Runs ava, shows what it prints, and keeps what is red of it.
 *
 * @param until minutes from the beginning of all at which what still runs is ended; by default it has its time
 * @returns whether it came to its end by itself
 */
async function ava(
  files: readonly string[],
  phase: "first" | "later",
  until = Number.POSITIVE_INFINITY,
): Promise<boolean> {
  const program = join(import.meta.dirname, "../node_modules/.bin/ava")
  const color = process.stdout.isTTY ? { FORCE_COLOR: "1" } : {}
  const run = spawn(program, files, {
    stdio: ["inherit", "pipe", "inherit"],
    env: { ...process.env, ...color, TEST_PHASE: phase },
    // What has a limit is ended with all that it started. Elsewhere a terminal's Ctrl-C reaches everybody.
    detached: limit !== Number.POSITIVE_INFINITY,
  })
  let output = ""
  run.stdout.setEncoding("utf8").on("data", (text: string) => {
    process.stdout.write(text)
    output += text
  })
  let overdue = false
  const timer = setTimeout(
    () => {
      overdue = true
      // From now on tests fail because they are ended.
      const failed = failedIn(output)
      if (failed !== "") red.push(`${failed}\n(ended by the limit before it told why)`)
      if (run.pid) process.kill(-run.pid, "SIGTERM")
    },
    Math.min(2 ** 31 - 1, (until - passed()) * 60_000),
  )
  const [code] = (await once(run, "close")) as [number | null]
  clearTimeout(timer)
  if (!overdue && code !== 0) red.push(redOf(output))
  return !overdue
}

await ava([], "first")

// How much longer than elsewhere this machine takes.
const pace = Math.max(1, passed() / minutesOfFirst)
const left: string[] = []
const waiting = Object.entries(later)
const worker = async (): Promise<void> => {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const [name, minutes] = next
    const needs = Math.ceil(minutes * pace)
    if (passed() + needs > limit) {
      left.push(`${name} (${needs} minutes)`)
      continue
    }
    const ended = await ava([`test/${name}.test.ts`], "later", limit + grace)
    if (!ended) left.push(`${name} (not at its end)`)
  }
}
await Promise.all([worker(), worker()])

if (left.length > 0) {
  console.log(
    `\nNot run: within ${limit} minutes, on a machine that takes ${pace.toFixed(1)} times as long as others, there was no time for\n` +
      `${left.map(one => `  ${one}\n`).join("")}Without TEST_MINUTES everything runs.`,
  )
}
if (red.length > 0) console.log(`\nNot green:\n\n${red.join("\n\n")}`)
process.exitCode = red.length > 0 ? 1 : 0
