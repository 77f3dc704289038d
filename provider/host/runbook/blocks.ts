import { Secret } from "../../secret.ts"
import type { Action } from "../step.ts"
import type { Shell } from "./shell.ts"

/** A paragraph, or lines for a shell; a file stands alone. */
export type Block =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "commands" | "file"; readonly text: string }

export const text = (words: string): Block => ({ kind: "text", text: words })
export const commands = (...lines: readonly string[]): Block => ({
  kind: "commands",
  text: lines.join("\n"),
})
export const file = (lines: string): Block => ({ kind: "file", text: lines })

/** What a person does for an action. */
export function blockOf(action: Action, shell: Shell): Block[] {
  switch (action.kind) {
    case "run":
      if (action.byHand?.length === 0) return []
      return [commands(shell.command(action.byHand ?? action.command, action.env))]
    case "remove":
      return [commands(shell.command(["rm", "-f", action.path]))]
    case "upload":
      return [text(`Copy \`${action.source}\` to \`${action.path}\` (SHA-256 \`${action.sha256}\`).`)]
    case "write": {
      const { path, content, mode } = action
      if (!(content instanceof Secret)) return [file(shell.file(path, content, mode))]
      return [text(`Write \`${path}\`, mode ${(mode ?? 0o644).toString(8)}: (a secret).`)]
    }
  }
}

/** Commands that follow each other are one piece of code. */
export function markdown(blocks: readonly Block[]): string {
  const joined: Block[] = []
  for (const block of blocks) {
    const last = joined.at(-1)
    if (last?.kind === "commands" && block.kind === "commands")
      joined[joined.length - 1] = commands(last.text, block.text)
    else joined.push(block)
  }
  return joined.map(block => (block.kind === "text" ? block.text : fenced(block.text))).join("\n\n")
}

/** A fence longer than any run of backquotes inside. */
function fenced(code: string): string {
  const longest = Math.max(2, ...[...code.matchAll(/`+/g)].map(([run]) => run.length))
  const fence = "`".repeat(longest + 1)
  return `${fence}sh\n${code}\n${fence}`
}
