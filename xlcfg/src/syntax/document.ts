import type { Position } from "../errors.ts"
import { parse } from "./parse.ts"
import { printAssignment, printValue } from "./print.ts"
import type { Assignment, Comment, Literal, Span, Value, ValueNode } from "./tree.ts"

/** What xl holds for a key after reading the whole file. */
export interface Setting {
  readonly value: Value
  /** The assignment that decided it: the last one. */
  readonly assignment: Assignment
  /** The node of each item of a list value, also of those that `+=` joined. Empty for a text. */
  readonly items: readonly ValueNode[]
  /** Assignments before it that no longer count. */
  readonly overridden: readonly Assignment[]
}

/**
 * A parsed configuration. It keeps its text, so {@link print} gives it back byte for byte; edits return a new
 * document in which all else stays as it was. Get one from {@link parse}.
 */
export class Document {
  readonly text: string
  /** All assignments, in the order of the text. */
  readonly assignments: readonly Assignment[]
  /** All comments, in the order of the text. */
  readonly comments: readonly Comment[]
  /** A single character at the very end that is no part of the grammar: xl overlooks it. */
  readonly stray: Span | undefined
  #settings: ReadonlyMap<string, Setting> | undefined
  #lineStarts: number[] | undefined

  constructor(text: string, assignments: readonly Assignment[], comments: readonly Comment[], stray?: Span) {
    this.text = text
    this.assignments = assignments
    this.comments = comments
    this.stray = stray
  }

  /** The text, as it was parsed. */
  print(): string {
    return this.text
  }

  /** What xl holds after reading: the last assignment wins, `+=` joins strings with strings and lists with lists. */
  get settings(): ReadonlyMap<string, Setting> {
    this.#settings ??= evaluate(this.assignments)
    return this.#settings
  }

  /** The value of a key as xl sees it, `undefined` where it is not set. */
  get(key: string): Value | undefined {
    return this.settings.get(key)?.value
  }

  /**
   * Sets a key: its last assignment is replaced in place, a new key goes on a line of its own at the end.
   * Throws {@link ValueError} for a key or value that xl has no form for.
   */
  set(key: string, value: Literal): Document {
    const last = this.settings.get(key)?.assignment
    if (last === undefined) {
      // What xl overlooks at the end it would refuse in the middle.
      const text = this.text.slice(0, this.stray?.start)
      const gap = text === "" || text.endsWith("\n") ? "" : "\n"
      return parse(`${text}${gap}${printAssignment(key, value)}\n`)
    }
    if (last.op === "=") return this.replace([{ node: last.value, value }])
    return this.#splice([{ start: last.start, end: last.end, text: printAssignment(key, value) }])
  }

  /** Removes all assignments of a key, each with its line and the comment on it where it stands alone there. */
  remove(key: string): Document {
    let text = this.text
    for (const assignment of this.assignments.filter(each => each.key === key).reverse())
      text = cut(text, assignment)
    return parse(text)
  }

  /** Gives all assignments of a key another key. */
  rename(key: string, name: string): Document {
    const edits = this.assignments.filter(each => each.key === key)
    return this.#splice(edits.map(({ start }) => ({ start, end: start + key.length, text: name })))
  }

  /** Replaces values, also single items of lists. The nodes must be of this document. */
  replace(changes: readonly { readonly node: ValueNode; readonly value: Literal }[]): Document {
    return this.#splice(
      changes.map(({ node: { start, end }, value }) => ({ start, end, text: printValue(value) })),
    )
  }

  #splice(
    edits: readonly { readonly start: number; readonly end: number; readonly text: string }[],
  ): Document {
    let text = ""
    let at = 0
    for (const edit of [...edits].sort((a, b) => a.start - b.start)) {
      text += this.text.slice(at, edit.start) + edit.text
      at = edit.end
    }
    return parse(text + this.text.slice(at))
  }

  /** Line and column of an offset of the text. */
  position(offset: number): Position {
    this.#lineStarts ??= [0, ...Array.from(this.text.matchAll(/\n/g), match => match.index + 1)]
    const starts = this.#lineStarts
    let low = 0
    let high = starts.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (starts[middle]! <= offset) low = middle
      else high = middle
    }
    return { offset, line: low + 1, column: offset - starts[low]! + 1 }
  }
}

interface OpenSetting {
  value: string | Value[]
  items: ValueNode[]
  assignment: Assignment
  overridden: Assignment[]
}

function evaluate(assignments: readonly Assignment[]): Map<string, Setting> {
  const settings = new Map<string, OpenSetting>()
  for (const assignment of assignments) {
    const { key, op, value: node } = assignment
    const before = settings.get(key)
    const items = node.kind === "list" ? node.items : []
    const { value } = node
    if (op === "+=" && before !== undefined) {
      if (typeof before.value === "string") before.value += value as string
      // One by one: a spread of a long list would not fit on the call stack.
      else for (const item of value as readonly Value[]) before.value.push(item)
      for (const item of items) before.items.push(item)
      before.assignment = assignment
    } else {
      const overridden = before?.overridden ?? []
      if (before !== undefined) overridden.push(before.assignment)
      const held = typeof value === "string" ? value : [...value]
      settings.set(key, { value: held, items: [...items], assignment, overridden })
    }
  }
  return settings
}

/** Takes an assignment out: its whole line if it is alone there, else itself and one `;` beside it. */
function cut(text: string, { start, end }: Assignment): string {
  const lineStart = text.lastIndexOf("\n", start - 1) + 1
  const rest = /^[ \t]*(?:#[^\n]*)?(?:\n|$)/.exec(text.slice(end))
  if (rest && /^[ \t]*$/.test(text.slice(lineStart, start)))
    return text.slice(0, lineStart) + text.slice(end + rest[0].length)
  const follower = /^[ \t]*;[ \t]*/.exec(text.slice(end))
  if (follower) return text.slice(0, start) + text.slice(end + follower[0].length)
  return text.slice(0, start).replace(/;[ \t]*$/, "") + text.slice(end)
}
