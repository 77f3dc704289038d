import { type CfgSyntaxError, SkeletonError } from "../errors.ts"
import type { Document } from "../syntax/document.ts"
import { parse } from "../syntax/parse.ts"
import type { ListNode, StringNode, ValueNode } from "../syntax/tree.ts"

/** A variable's place in a skeleton, outside of comments. */
export interface Slot {
  readonly name: string
  readonly start: number
  readonly end: number
  /** The string that it stands in; none where it stands for a whole value. */
  readonly string?: StringNode
  /** The key whose value it is part of. */
  readonly key: string
}

/** A skeleton, parsed. */
export interface Skeleton {
  readonly text: string
  readonly slots: readonly Slot[]
}

/** `@NAME@`, `@BLOCK:file@`: MirageOS writes them (mirage/mirage, lib/devices/target.ml), and any other `@X@`. */
const VARIABLE = /@([A-Za-z][A-Za-z0-9_]*(?::[^@\s"'\\#]+)?)@/g

/**
 * Finds the variables of a `.xl.in` skeleton and what stands around them. Variables in comments are text.
 * Throws {@link CfgSyntaxError} for a skeleton that is no configuration whatever is put in, and
 * {@link SkeletonError} for a variable where no value can stand, like in a key.
 */
export function parseSkeleton(text: string): Skeleton {
  // With a number of the same length in its place, a bare variable is a value, and all offsets stay.
  const plain = maskBare(text)
  const document = parse(plain)
  const slots: Slot[] = []
  const numbers = new Map<number, { end: number; key: string }>()
  const strings: { node: StringNode; key: string }[] = []
  for (const { key, value } of document.assignments) {
    for (const node of atomsOf(value)) {
      if (node.kind === "number") numbers.set(node.start, { end: node.end, key })
      else strings.push({ node, key })
    }
  }
  for (const { node, key } of strings) {
    for (const match of text.slice(node.start, node.end).matchAll(VARIABLE)) {
      const start = node.start + match.index
      slots.push({ name: match[1]!, start, end: start + match[0].length, string: node, key })
    }
  }
  for (const { name, start, end } of bareVariables(text)) {
    const number = numbers.get(start)
    if (number?.end !== end)
      throw new SkeletonError(`@${name}@ at ${place(document, start)} stands where no value can`, [name])
    slots.push({ name, start, end, key: number.key })
  }
  return { text, slots: slots.sort((a, b) => a.start - b.start) }
}

function place(document: Document, offset: number): string {
  const { line, column } = document.position(offset)
  return `line ${line}, column ${column}`
}

function* atomsOf(node: ValueNode): Generator<Exclude<ValueNode, ListNode>> {
  const open = [node]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next.kind !== "list") yield next
    // One by one: a spread of a long list would not fit on the call stack.
    else for (const item of next.items) open.push(item)
  }
}

/** Comments and strings, which hide bare variables, or a bare variable. */
const TOKEN =
  /#[^\n]*|"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'|@([A-Za-z][A-Za-z0-9_]*(?::[^@\s"'\\#]+)?)@/g

function* bareVariables(text: string): Generator<{ name: string; start: number; end: number }> {
  for (const match of text.matchAll(TOKEN))
    if (match[1] !== undefined)
      yield { name: match[1], start: match.index, end: match.index + match[0].length }
}

function maskBare(text: string): string {
  return text.replace(TOKEN, (token, name: string | undefined) =>
    name === undefined ? token : "0".repeat(token.length),
  )
}
