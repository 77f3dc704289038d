import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { PulumiStack } from "../../../test/helpers/pulumiStack.ts"
import { timed } from "../row.ts"

/** What a `pulumi up` was busy with. All in seconds. */
export interface Times {
  readonly total: number
  /** Of those who were waited for, by what they are. */
  readonly theirs: ReadonlyMap<string, number>
  /** Of the rest, by what had begun: the status line's first words, or a step of Pulumi's. */
  readonly ours: ReadonlyMap<string, number>
}

/** Something that began, and lasts until the next does. */
export interface Moment {
  readonly what: string
  /** Seconds since the start. */
  readonly at: number
}

/** `pulumi up` with its preview, by the events that its engine writes down. */
export async function watchUp(stack: PulumiStack, others: Readonly<Record<string, RegExp>>): Promise<Times> {
  const file = join(stack.directory, "events.json")
  const moments: Moment[] = []
  const began = performance.now()
  let isOver = false
  const up = timed(async () => {
    const env = { PULUMI_DEBUG_COMMANDS: "1" }
    const { exit, stdout, stderr } = await stack.run(["up", "--yes", `--event-log=${file}`], { env })
    if (exit !== 0) throw new Error(`pulumi up failed:\n${stdout}\n${stderr}`)
  }).finally(() => {
    isOver = true
  })
  // Told where it is waited for, below.
  up.catch(() => {})
  let known = ""
  while (!isOver) {
    await sleep(10)
    const text = await readFile(file, "utf8").catch(() => "")
    const whole = text.slice(0, text.lastIndexOf("\n") + 1)
    // After the preview the file is written anew.
    const lines = whole.startsWith(known) ? whole.slice(known.length) : whole
    known = whole
    const at = (performance.now() - began) / 1000
    for (const line of lines.split("\n").filter(one => one !== "")) {
      const what = told(JSON.parse(line))
      if (what !== undefined) moments.push({ what, at })
    }
  }
  return shares(moments, (await up) / 1000, others)
}

/** An event of the engine in words; `undefined` where it begins nothing. */
function told(event: EngineEvent): string | undefined {
  const { diagnosticEvent: line, resourcePreEvent: begun, resOutputsEvent: made } = event
  if (line) return line.severity === "debug" ? undefined : line.message.trim()
  if (begun) return `${begun.metadata.type.split(":").at(-1)} before its first line`
  if (made) return "between resources"
  return event.summaryEvent ? "pulumi's end" : undefined
}

interface EngineEvent {
  readonly diagnosticEvent?: { readonly severity: string; readonly message: string }
  readonly resourcePreEvent?: { readonly metadata: { readonly type: string } }
  readonly resOutputsEvent?: object
  readonly summaryEvent?: object
}

/** Whose time it was. What came before the first moment is pulumi's start, and ours. */
export function shares(
  moments: readonly Moment[],
  total: number,
  others: Readonly<Record<string, RegExp>>,
): Times {
  const [theirs, ours] = [new Map<string, number>(), new Map<string, number>()]
  for (const [index, { what, at }] of [{ what: "pulumi's start", at: 0 }, ...moments].entries()) {
    const seconds = (moments[index]?.at ?? total) - at
    const other = Object.entries(others).find(([, line]) => line.test(what))?.[0]
    const name = other ?? what.replace(/[,:(].*$/s, "").trim()
    const share = other === undefined ? ours : theirs
    share.set(name, (share.get(name) ?? 0) + seconds)
  }
  return { total, theirs, ours }
}
