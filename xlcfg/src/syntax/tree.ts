/** A range of a text, in UTF-16 units: `start` inclusive, `end` exclusive. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A string as it stands in the text. `value` is what xl reads. */
export interface StringNode extends Span {
  readonly kind: "string"
  readonly value: string
  /** xl reads an octal escape and drops it: what was meant is not in `value`. */
  readonly lostOctal: boolean
}

/** A bare number. xl keeps its spelling, `value`, and reads it where a number is wanted. */
export interface NumberNode extends Span {
  readonly kind: "number"
  readonly value: string
}

export interface ListNode extends Span {
  readonly kind: "list"
  readonly items: readonly ValueNode[]
  /** The values of the items. */
  readonly value: readonly Value[]
}

export type ValueNode = StringNode | NumberNode | ListNode

/** `key = value` or `key += value`. */
export interface Assignment extends Span {
  readonly key: string
  readonly op: "=" | "+="
  readonly value: ValueNode
}

/** A comment, from its `#` to the end of its line. */
export type Comment = Span

/** A value as xl sees it: a text (numbers keep their spelling), or a list of values. */
export type Value = string | readonly Value[]

/** A value to be written. Whole numbers from 0 stand bare, booleans as 1 and 0, everything else is quoted. */
export type Literal = string | number | bigint | boolean | readonly Literal[]
