import type { Refusal } from "../refusal.ts"
import type { Plan, Step } from "../step.ts"
import { type Block, blockOf, markdown, text } from "./blocks.ts"
import { detachedChange } from "./detached.ts"
import { restart, trialBoot } from "./restart.ts"
import { type Shell, shellWith, type Unknown } from "./shell.ts"

export interface Chapter {
  readonly title: string
  readonly plan: Plan
  /** What is in the way of it: a program would not begin. Default: nothing. */
  readonly refusals?: readonly Refusal[]
}

export interface RunbookOptions {
  /** What the plans' placeholders stand for. */
  readonly unknowns?: readonly Unknown[]
  /** What was assumed of the host, in Markdown. */
  readonly assumed?: string
}

/** Where what a person needs between two steps is kept. */
const PLACE = "/root/runbook"

const HOW =
  "Every command is for root's shell on the host, in this order, block by block; stop at the first that fails."

/**
 * A plan as Markdown that a person can follow by hand. It is printed from the very steps that `apply` carries
 * out, so it cannot go stale. What the guard does for those that can cut the host off, the person does.
 */
export function runbook(host: string, chapters: readonly Chapter[], options: RunbookOptions = {}): string {
  const shell = shellWith(options.unknowns ?? [])
  const parts = chapters.flatMap(({ title, plan, refusals = [] }) => [
    `## ${title}`,
    ...inTheWay(refusals),
    ...(plan.length === 0 && refusals.length === 0 ? ["Nothing to do: all is as wanted."] : []),
    ...plan.map((step, at) => section(step, at + 1, slug(`${title} ${at + 1}`), shell)),
  ])
  const preface = [HOW, ...(options.assumed ? [options.assumed] : [])]
  return `${[`# Runbook for ${host}`, ...preface, ...parts].join("\n\n")}\n`
}

function inTheWay(refusals: readonly Refusal[]): string[] {
  if (refusals.length === 0) return []
  const items = refusals.map(({ problem, remedy }) => `- ${problem} ${remedy}`)
  return ["**This is in the way, and comes first:**", items.join("\n")]
}

function section(step: Step, number: number, name: string, shell: Shell): string {
  const note = step.note ? [text(step.note)] : []
  return markdown([
    text(`### ${number}. ${step.title}`),
    ...note,
    ...blocksOf(step, { name, place: `${PLACE}/${name}`, shell }),
  ])
}

function blocksOf(step: Step, by: { name: string; place: string; shell: Shell }): Block[] {
  switch (step.risk) {
    case "network":
      return detachedChange(step, by)
    case "boot":
      return trialBoot(step, by)
    case "reboot":
      return restart(step, by)
    case "none":
      return [...step.actions.flatMap(action => blockOf(action, by.shell)), ...wayBack(step, by.shell)]
  }
}

function wayBack({ undo }: Step, shell: Shell): Block[] {
  const blocks = undo.flatMap(action => blockOf(action, shell))
  return blocks.length > 0 ? [text("To take it back:"), ...blocks] : []
}

/** "The bridge xenbr0" is the-bridge-xenbr0: a folder's name, and a unit's. */
function slug(title: string): string {
  return title
    .toLowerCase()
    .replace(/\(.*\)/, "")
    .replace(/[^a-z0-9]+/g, "-")
}
