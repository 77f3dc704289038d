import { Secret } from "../secret.ts"
import { quoteCommand } from "../ssh/quote.ts"
import type { Action, Plan, Risk, Step } from "./step.ts"

const WARNINGS: Partial<Record<Risk, string>> = {
  network:
    "**This can cut you off.** Have a console at hand, or arm a revert first: save the files below, and let a " +
    "systemd timer put them back unless you stop it.",
  boot: "**The machine may not come up.** Boot the new entry once (`grub-reboot`), and make it the default only when it works.",
  reboot: "**The machine restarts.**",
}

/**
 * A plan as Markdown that a person can follow by hand. It is printed from the very steps that `apply` carries
 * out, so it cannot go stale.
 */
export function runbook(host: string, chapters: readonly { title: string; plan: Plan }[]): string {
  const parts = chapters.map(({ title, plan }) =>
    [`## ${title}`, ...(plan.length === 0 ? ["Nothing to do: all is as wanted."] : plan.map(section))].join(
      "\n\n",
    ),
  )
  return `${[`# Runbook for ${host}`, ...parts].join("\n\n")}\n`
}

function section(step: Step, at: number): string {
  const undo = step.undo.map(markdown)
  return [
    `### ${at + 1}. ${step.title}`,
    ...(step.note ? [step.note] : []),
    ...(WARNINGS[step.risk] ? [WARNINGS[step.risk]!] : []),
    ...joinCommands(step.actions.map(markdown)),
    ...(undo.length > 0 ? ["To take it back:", ...joinCommands(undo)] : []),
  ].join("\n\n")
}

/** Commands that follow each other are one block. */
function joinCommands(blocks: readonly string[]): string[] {
  const joined: string[] = []
  for (const block of blocks.filter(text => text !== "")) {
    const last = joined.at(-1)
    if (last?.startsWith("```sh\n") && block.startsWith("```sh\n"))
      joined[joined.length - 1] = `${last.slice(0, -3)}${block.slice(6)}`
    else joined.push(block)
  }
  return joined
}

function markdown(action: Action): string {
  switch (action.kind) {
    case "run":
      if (action.byHand?.length === 0) return ""
      return fenced("sh", [environment(action.env), quoteCommand(action.byHand ?? action.command)].join(""))
    case "remove":
      return fenced("sh", quoteCommand(["rm", "-f", action.path]))
    case "upload":
      return `Copy \`${action.source}\` to \`${action.path}\` (SHA-256 \`${action.sha256}\`).`
    case "write": {
      const mode = action.mode === undefined ? "" : `, mode ${action.mode.toString(8)}`
      const content = action.content instanceof Secret ? "(a secret)" : action.content
      return `Write \`${action.path}\`${mode}:\n\n${fenced("", content.trimEnd())}`
    }
  }
}

function environment(env: Readonly<Record<string, string>> = {}): string {
  return Object.entries(env)
    .map(([name, value]) => `${name}=${quoteCommand([value])} `)
    .join("")
}

/** A fence longer than any run of backquotes inside. */
function fenced(language: string, text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length))
  const fence = "`".repeat(longest + 1)
  return `${fence}${language}\n${text}\n${fence}`
}
