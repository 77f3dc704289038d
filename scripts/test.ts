/**
 * `npm test`: first what needs no machine of the lab, with a few that show the whole way; then the rest of the machines, two
 * at a time. TEST_MINUTES is a limit for all of it, for a service that has one: where machines are emulated on a slow
 * processor, what does not fit any more is not begun, and named in the end. Without it everything runs, however long.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { later, minutesOfFirst } from "./test/machines.ts"

const began = Date.now()
const passed = (): number => (Date.now() - began) / 60_000
const limit = Number(process.env.TEST_MINUTES ?? Number.POSITIVE_INFINITY)
/** Minutes after the limit at which what still runs is ended. */
const grace = 5

function ava(files: readonly string[], phase: "first" | "later"): ChildProcess {
  const program = join(import.meta.dirname, "../node_modules/.bin/ava")
  const env = { ...process.env, TEST_PHASE: phase }
  // What has a limit is ended with all that it started. Elsewhere a terminal's Ctrl-C reaches everybody.
  return spawn(program, files, { stdio: "inherit", env, detached: limit !== Number.POSITIVE_INFINITY })
}

let failed = false
const [exit] = (await once(ava([], "first"), "close")) as [number | null]
failed ||= exit !== 0

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
    const run = ava([`test/${name}.test.ts`], "later")
    const overdue = new AbortController()
    const timer = setTimeout(
      () => overdue.abort(),
      Math.min(2 ** 31 - 1, (limit + grace - passed()) * 60_000),
    )
    overdue.signal.addEventListener("abort", () => run.pid && process.kill(-run.pid, "SIGTERM"))
    const [code] = (await once(run, "close")) as [number | null]
    clearTimeout(timer)
    if (overdue.signal.aborted) left.push(`${name} (not at its end)`)
    else failed ||= code !== 0
  }
}
await Promise.all([worker(), worker()])

if (left.length > 0) {
  console.log(
    `\nNot run: within ${limit} minutes, on a machine that takes ${pace.toFixed(1)} times as long as others, there was no time for\n` +
      `${left.map(one => `  ${one}\n`).join("")}Without TEST_MINUTES everything runs.`,
  )
}
process.exitCode = failed ? 1 : 0
