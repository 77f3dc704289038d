import type { Position } from "../errors.ts"
import { type Problem, type ProblemCode, type Severity, severityOf } from "../problem.ts"
import type { Document } from "../syntax/document.ts"
import type { Span, ValueNode } from "../syntax/tree.ts"

/** Something that is wrong, or may be, in a configuration. */
export interface Finding {
  /** Stable: see {@link problemCodes}. */
  readonly code: ProblemCode
  readonly severity: Severity
  /** What was seen, and what xl makes of it. */
  readonly message: string
  /** What to do about it. */
  readonly remedy?: string
  /** The key it is about. */
  readonly key?: string
  readonly position: Position
}

/** Makes a finding of a problem, at a place of a document. */
export function findingAt(document: Document, span: Span, problem: Problem, key?: string): Finding {
  const { code, message, remedy } = problem
  return {
    code,
    severity: severityOf(code),
    message,
    ...(remedy !== undefined && { remedy }),
    ...(key !== undefined && { key }),
    position: document.position(span.start),
  }
}

/** The node of a value that a problem's path leads to, or the nearest one around it. */
export function nodeAt(
  items: readonly ValueNode[],
  whole: ValueNode,
  path: readonly number[] = [],
): ValueNode {
  const [index, ...rest] = path
  const item = index === undefined ? undefined : items[index]
  if (item === undefined) return whole
  return nodeAt(item.kind === "list" ? item.items : [], item, rest)
}

/** One line for people: `file:line:column: severity: message; remedy [code]`. */
export function describe(finding: Finding, file = "-"): string {
  const { position, severity, key, message, remedy, code } = finding
  const subject = key === undefined ? "" : `${key}: `
  return `${file}:${position.line}:${position.column}: ${severity}: ${subject}${message}${remedy ? `; ${remedy}` : ""} [${code}]`
}
