import { ValueError } from "../errors.ts"
import { type Report, severityOf } from "../problem.ts"
import { unwritable } from "../syntax/quote.ts"

/** A small language inside a string: how a disk, a network interface or another device is described. */
export interface Spec<T> {
  /** What it describes, as it stands in messages: "disk specification". */
  readonly kind: string
  /** Reads a specification as xl does and reports what is wrong; `undefined` where nothing can be read. */
  scan(text: string, report: Report): T | undefined
  /** Writes the canonical form. Throws {@link ValueError} for what has none. */
  print(value: T): string
}

/** Reads a specification. Throws {@link ValueError} for the first thing that xl would refuse or skip. */
export function parseSpec<T>(spec: Omit<Spec<T>, "print">, text: string): T {
  const value = spec.scan(text, problem => {
    if (problem.code !== "too-new" && severityOf(problem.code) === "error")
      throw new ValueError(`${spec.kind} ${JSON.stringify(text)}`, problem.message, problem.remedy)
  })
  if (value === undefined) throw new ValueError(`${spec.kind} ${JSON.stringify(text)}`, "cannot be read")
  return value
}

/** Throws {@link ValueError} where a field's text holds a character that would end the field. */
export function checkField(kind: string, name: string, text: string, forbidden = /[,\n]/): string {
  const problem =
    unwritable(text) ??
    (forbidden.test(text)
      ? `${JSON.stringify(text)} holds a comma or newline, which would end it`
      : undefined)
  if (problem !== undefined) throw new ValueError(`${name} of a ${kind}`, problem)
  return text
}
