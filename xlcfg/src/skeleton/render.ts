import { SkeletonError, ValueError } from "../errors.ts"
import { parse } from "../syntax/parse.ts"
import { printValue } from "../syntax/print.ts"
import { escapeText } from "../syntax/quote.ts"
import type { Literal } from "../syntax/tree.ts"
import { parseSkeleton, type Slot } from "./slots.ts"

/** The values of a skeleton's variables, by name, without the `@`. */
export type SkeletonValues = Readonly<Record<string, Literal>>

/** The variables of a `.xl.in` skeleton, each once, in the order of the text. */
export function skeletonVariables(text: string): string[] {
  return [...new Set(parseSkeleton(text).slots.map(slot => slot.name))]
}

/**
 * Fills a `.xl.in` skeleton. Each value is written as its place needs: escaped within a string, quoted where
 * it is a whole value and no number. No value can end the string it stands in, nor add an option to the device
 * specification it is part of; only one that is a whole specification can hold commas.
 *
 * Throws {@link SkeletonError} naming every variable without a value and every value without a variable, and
 * for a value that cannot stand in its place.
 */
export function renderSkeleton(text: string, values: SkeletonValues): string {
  const { slots } = parseSkeleton(text)
  checkNames(
    slots.map(slot => slot.name),
    Object.keys(values),
  )
  let rendered = ""
  let at = 0
  for (const slot of slots) {
    rendered += text.slice(at, slot.start) + fill(text, slot, values[slot.name]!)
    at = slot.end
  }
  rendered += text.slice(at)
  parse(rendered)
  return rendered
}

/** Throws {@link SkeletonError} unless every variable has a value and every value a variable. */
export function checkNames(variables: readonly string[], values: readonly string[]): void {
  const missing = [...new Set(variables)].filter(name => !values.includes(name))
  const unused = values.filter(name => !variables.includes(name))
  const sentences = [
    missing.length > 0
      ? `the skeleton wants ${list(missing)}, and there is no value for ${missing.length === 1 ? "it" : "them"}`
      : "",
    unused.length > 0 ? `there is a value for ${list(unused)}, and the skeleton has no such variable` : "",
  ].filter(sentence => sentence !== "")
  if (sentences.length > 0) throw new SkeletonError(sentences.join("; "), [...missing, ...unused])
}

function list(names: readonly string[]): string {
  return names.join(", ")
}

/** Keys whose texts are lists of options separated by commas. */
const SPECIFICATIONS = new Set([
  "disk",
  "vif",
  "pci",
  "channel",
  "p9",
  "usbctrl",
  "usbdev",
  "vfb",
  "vkb",
  "vdispl",
  "vtpm",
  "pvcalls",
  "virtio",
  "vsnd",
  "rdm",
])

function fill(text: string, slot: Slot, value: Literal): string {
  try {
    if (slot.string === undefined) return bare(value)
    const content = plain(value)
    if (SPECIFICATIONS.has(slot.key)) guard(text, slot, content)
    return escapeText(content, text[slot.string.start] as '"' | "'")
  } catch (error) {
    if (!(error instanceof ValueError)) throw error
    throw new SkeletonError(`the value of @${slot.name}@ cannot be written: ${error.problem}`, [slot.name])
  }
}

/** A whole value. A text that is a number stands as one. */
function bare(value: Literal): string {
  return typeof value === "string" && /^[0-9][0-9a-fx]*$/.test(value) ? value : printValue(value)
}

function plain(value: Literal): string {
  if (typeof value === "string") return value
  if (typeof value === "object") throw new ValueError("list", "a list cannot stand within a string")
  return printValue(value).replaceAll('"', "")
}

/** Refuses what would end the option that a variable is the value of. */
function guard(text: string, slot: Slot, content: string): void {
  const before = text.slice(slot.string!.start + 1, slot.start)
  const after = text.slice(slot.end, slot.string!.end - 1)
  if (before === "" && after === "") return
  const isTarget = slot.key === "disk" && /(^|[,\s])target=[^,]*$/.test(before)
  const forbidden = isTarget ? /\n|,$/ : /[,\n]/
  if (forbidden.test(content))
    throw new ValueError(
      "option",
      `${JSON.stringify(content)} would end the option of ${slot.key} that it is part of`,
    )
}
