/**
 * `npm test`: first what is short, with a few files that show the whole way; then the long ones: machines, two at a time, and
 * beside them one file without a machine. TEST_MINUTES is a limit for all of it, for a service that has one: where machines are
 * emulated on a slow processor, what does not fit any more is not begun, and named in the end. Without it everything runs,
 * however long.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { laterMachines, laterOthers, type Minutes, minutesOfFirst } from "./test/files.ts"
import { failedIn, redOf } from "./test/red.ts"

const began = Date.now()
const passed = (): number => (Date.now() - began) / 60_000
const limit = Number(process.env.TEST_MINUTES ?? Number.POSITIVE_INFINITY)
/** Minutes after the limit at which what still runs is ended. */
const grace = 5
/** Milliseconds for what is ended to give its machines and namespaces back. */
const PATIENCE = 30_000

/** What each run of ava that was not green says in its end: told again in ours, where it is not lost among hours of output. */
const red: string[] = []

function endGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error
  }
}

/**
 * Runs ava, shows what it prints, and keeps what is red of it. What still runs when the time is over is ended.
 *
 * @returns whether it came to its end by itself
 */
async function ava(files: readonly string[], phase: "first" | "later"): Promise<boolean> {
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
  let killing: NodeJS.Timeout | undefined
  const ending = setTimeout(
    () => {
      overdue = true
      // From now on tests fail because they are ended.
      const failed = failedIn(output)
      if (failed !== "") red.push(`${failed}\n(ended by the limit before it told why)`)
      endGroup(run.pid!, "SIGTERM")
      killing = setTimeout(() => {
        endGroup(run.pid!, "SIGKILL")
        run.stdout.destroy() // Somebody outside the group may have it, who is not waited for.
      }, PATIENCE)
    },
    Math.min(2 ** 31 - 1, (limit + grace - passed()) * 60_000),
  )
  const [code] = (await once(run, "close")) as [number | null]
  clearTimeout(ending)
  clearTimeout(killing)
  if (!overdue && code !== 0) red.push(redOf(output))
  return !overdue
}

if (!(await ava([], "first"))) red.push(`The first part was not at its end after ${limit + grace} minutes.`)

// How much longer than elsewhere this machine takes.
const pace = Math.max(1, passed() / minutesOfFirst)
const left: string[] = []

/** Runs the files of a queue one by one, in its order, until none is left that has the time. */
async function work(queue: [name: string, minutes: number][]): Promise<void> {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [name, minutes] = next
    const needs = Math.ceil(minutes * pace)
    if (passed() + needs > limit) left.push(`${name} (${needs} minutes)`)
    else if (!(await ava([`test/${name}.test.ts`], "later"))) left.push(`${name} (not at its end)`)
  }
}

/** Under a limit in the order of their list; without one the longest first, so that two at a time come to one end. */
const queueOf = (files: Minutes) => {
  const queue = Object.entries(files)
  return limit === Number.POSITIVE_INFINITY ? queue.sort(([, one], [, other]) => other - one) : queue
}
const machines = queueOf(laterMachines)
await Promise.all([work(machines), work(machines), work(queueOf(laterOthers))])

if (left.length > 0) {
  console.log(
    `\nNot run: within ${limit} minutes, on a machine that takes ${pace.toFixed(1)} times as long as others, there was no time for\n` +
      `${left.map(one => `  ${one}\n`).join("")}Without TEST_MINUTES everything runs.`,
  )
}
if (red.length > 0) console.log(`\nNot green:\n\n${red.join("\n\n")}`)
process.exitCode = red.length > 0 ? 1 : 0
