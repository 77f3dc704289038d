import { ValueError } from "../errors.ts"
import { quote } from "./quote.ts"
import type { Literal } from "./tree.ts"

/** How many columns a list may take on one line before it is broken, one item a line. */
const WIDTH = 100

/** Two for each level of nesting; xl's keys have three levels at most. */
const maxIndent = 200

/**
 * The canonical text of a value. Lists that are long or hold several device specifications are broken into
 * one item a line. Throws {@link ValueError} for what xl has no form for: fractions, NUL, lists without end.
 */
export function printValue(value: Literal, indent = ""): string {
  if (indent.length > maxIndent) throw new ValueError("list", "it is nested far deeper than any key of xl")
  if (typeof value === "string") return quote(value)
  if (typeof value === "boolean") return value ? "1" : "0"
  if (typeof value === "number" || typeof value === "bigint") return printNumber(value)
  if (!Array.isArray(value))
    throw new ValueError("value", `xl has no form for ${value === null ? "null" : `a ${typeof value}`}`)
  const items = (value as readonly Literal[]).map(item => printValue(item, `${indent}  `))
  const flat = items.length === 0 ? "[]" : `[ ${items.join(", ")} ]`
  if (flat.length + indent.length <= WIDTH && !flat.includes("\n") && (items.length < 2 || flat.length <= 60))
    return flat
  return `[\n${items.map(item => `${indent}  ${item},\n`).join("")}${indent}]`
}

function printNumber(value: number | bigint): string {
  if (typeof value === "number" && !Number.isSafeInteger(value))
    throw new ValueError("number", `${value} is not a whole number that xl can read`)
  // xl's grammar has no sign, but a quoted number is read like a bare one.
  return value < 0 ? `"${value}"` : String(value)
}

/** `key = value`, without a newline. Throws {@link ValueError} where the key is none. */
export function printAssignment(key: string, value: Literal): string {
  if (!/^[a-z][._0-9a-z]*$/.test(key))
    throw new ValueError(
      "key",
      `${JSON.stringify(key)} is not a key`,
      "a key is a lower-case letter, then lower-case letters, digits, _ and .",
    )
  return `${key} = ${printValue(value)}`
}
