import type { Document } from "./syntax/document.ts"
import { parse } from "./syntax/parse.ts"
import { quote } from "./syntax/quote.ts"
import type { Assignment, ListNode, ValueNode } from "./syntax/tree.ts"

/**
 * The same configuration in one layout: one assignment a line, `key = value`, double quotes, at most one empty
 * line in a row. Comments, order, the spelling of numbers and all values stay as they are.
 */
export function format(document: Document): Document {
  const { text, assignments, stray } = document
  const lines: string[] = []
  let at = 0
  for (const assignment of assignments) {
    layOut(lines, text.slice(at, assignment.start), at > 0)
    lines.push(formatAssignment(text, assignment))
    at = assignment.end
  }
  layOut(lines, text.slice(at, stray?.start), at > 0)
  while (lines.at(-1) === "") lines.pop()
  return parse(lines.length === 0 ? "" : `${lines.join("\n")}\n`)
}

/** What stands between two assignments: comments, empty lines, and what goes behind the assignment before. */
function layOut(lines: string[], gap: string, follows: boolean): void {
  const [behind = "", ...below] = gap.split("\n")
  const comment = behind.slice(Math.max(0, behind.indexOf("#"))).trim()
  if (behind.includes("#")) {
    if (follows) lines[lines.length - 1] += ` ${comment}`
    else lines.push(comment)
  }
  for (const line of below.slice(0, -1)) {
    const content = line.replace(/^[\s;]+/, "").trimEnd()
    if (content === "" && line.includes(";")) continue
    if (content !== "" || (lines.length > 0 && lines.at(-1) !== "")) lines.push(content)
  }
}

function formatAssignment(text: string, { key, op, value }: Assignment): string {
  return `${key} ${op} ${formatValue(text, value, "")}`
}

/** Deeper lists than any key has are left alone: each level takes some of our call stack. */
const maxIndent = 100

function formatValue(text: string, node: ValueNode, indent: string): string {
  if (node.kind === "number") return node.value
  // What an octal escape was meant to be only its text can tell.
  if (node.kind === "string") return node.lostOctal ? text.slice(node.start, node.end) : quote(node.value)
  const isLeftAlone = hasComment(text, node) || indent.length > maxIndent
  return isLeftAlone ? text.slice(node.start, node.end) : formatList(text, node, indent)
}

function formatList(text: string, { items }: ListNode, indent: string): string {
  const parts = items.map(item => formatValue(text, item, `${indent}  `))
  const flat = parts.length === 0 ? "[]" : `[ ${parts.join(", ")} ]`
  if (flat.length + indent.length <= 100 && !flat.includes("\n") && (parts.length < 2 || flat.length <= 60))
    return flat
  return `[\n${parts.map(part => `${indent}  ${part},\n`).join("")}${indent}]`
}

/** Whether a comment stands between the items of a list: its layout is then left alone. */
function hasComment(text: string, list: ListNode): boolean {
  let at = list.start
  for (const item of list.items) {
    if (text.slice(at, item.start).includes("#")) return true
    at = item.end
  }
  return text.slice(at, list.end).includes("#")
}
