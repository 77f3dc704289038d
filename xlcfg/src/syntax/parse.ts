import { Document } from "./document.ts"
import { Lexer, type Token } from "./lexer.ts"
import type { Assignment, Comment, ListNode, ValueNode } from "./tree.ts"

/**
 * How many symbols xl's parser (bison, YYMAXDEPTH) can hold before it gives up with "memory exhausted". It
 * holds three before a value, two for each open list (`[` and newlines), five from a list's first comma on,
 * and two for a complete item; a newline takes one for a moment.
 */
const maxSymbols = 9998

interface OpenList {
  readonly start: number
  readonly items: ValueNode[]
  /** How many symbols xl's parser holds for it. */
  symbols: 2 | 5
}

/**
 * Parses an xl configuration. It accepts exactly what Xen's own parser accepts, also where that one is odd
 * (see {@link Document.stray}), but for a NUL in a string, on which xl aborts. Throws {@link CfgSyntaxError}.
 *
 * Grammar: lines of `key = value` or `key += value`, separated by newlines or `;`. A value is a string, a
 * number, or a list in `[ ]`; newlines are free inside lists only. A comment runs from `#` to its newline.
 */
export function parse(text: string): Document {
  const comments: Comment[] = []
  const assignments: Assignment[] = []
  const lexer: Lexer = new Lexer(text, (start, end) => comments.push({ start, end }))

  for (let token = lexer.next(); token !== "end"; token = lexer.next()) {
    if (token === "newline" || token === ";") continue
    if (token !== "identifier") lexer.fail(`expected a key, found ${spell(token, lexer)}`, lexer.start)
    const key = lexer.value
    const start = lexer.start
    const op = lexer.next()
    if (op !== "=" && op !== "+=")
      lexer.fail(`expected = or += after the key ${key}, found ${spell(op, lexer)}`, lexer.start)
    const value = parseValue(lexer)
    assignments.push({ key, op, value, start, end: value.end })
    const after = lexer.next()
    if (after === "end") break
    if (after !== "newline" && after !== ";")
      lexer.fail(
        `expected a newline or ; after the value of ${key}, found ${spell(after, lexer)}`,
        lexer.start,
      )
  }
  if (assignments.some(({ op }) => op === "+=")) checkSums(lexer, assignments)
  return new Document(text, assignments, comments, lexer.stray)
}

/** Strings are joined with strings and lists with lists. */
function checkSums(lexer: Lexer, assignments: readonly Assignment[]): void {
  const lists = new Map<string, boolean>()
  for (const { key, op, value } of assignments) {
    const isList = value.kind === "list"
    if (op === "+=" && (lists.get(key) ?? isList) !== isList) {
      const [held, added] = isList ? ["string", "list"] : ["list", "string"]
      lexer.fail(`${key} holds a ${held}; += cannot add a ${added} to it`, value.start)
    }
    lists.set(key, isList)
  }
}

/** Parses one value. A stack of open lists, not recursion: a file of `[` must not exhaust ours. */
function parseValue(lexer: Lexer): ValueNode {
  const open: OpenList[] = []
  let symbols = 3
  let token = lexer.next()
  for (;;) {
    let value: ValueNode
    if (token === "[") {
      open.push({ start: lexer.start, items: [], symbols: 2 })
      symbols += 2
      token = nextInList(lexer, symbols)
      if (token !== "]") continue
      hold(lexer, symbols + 2)
      symbols -= 2
      value = close(open, lexer)
    } else value = atom(token, lexer)

    // The value is complete: it closes its list, is followed by another one, or is the whole value.
    for (;;) {
      const list = open.at(-1)
      if (list === undefined) return value
      list.items.push(value)
      token = nextInList(lexer, symbols + 2)
      if (token === ",") {
        symbols += 5 - list.symbols
        list.symbols = 5
        token = nextInList(lexer, symbols)
      } else if (token !== "]")
        lexer.fail(`expected , or ] in the list, found ${spell(token, lexer)}`, lexer.start)
      if (token !== "]") break
      symbols -= list.symbols
      value = close(open, lexer)
    }
  }
}

/** The next token that is not a newline, where xl's parser holds `symbols` already. */
function nextInList(lexer: Lexer, symbols: number): Token {
  let token = lexer.next()
  const newline = token === "newline"
  hold(lexer, symbols + (newline ? 1 : 0))
  while (token === "newline") token = lexer.next()
  return token
}

function hold(lexer: Lexer, symbols: number): void {
  if (symbols > maxSymbols) lexer.fail("lists nested deeper than xl can read", lexer.start)
}

function close(open: OpenList[], lexer: Lexer): ListNode {
  const { start, items } = open.pop()!
  return { kind: "list", items, value: items.map(item => item.value), start, end: lexer.end }
}

function atom(token: Token, lexer: Lexer): ValueNode {
  const { start, end, value } = lexer
  if (token === "string") return { kind: "string", value, lostOctal: lexer.lostOctal, start, end }
  if (token === "number") return { kind: "number", value, start, end }
  return lexer.fail(`expected a string, a number or a list, found ${spell(token, lexer)}`, start)
}

function spell(token: Token, lexer: Lexer): string {
  if (token === "end") return "the end of the file"
  if (token === "newline") return "the end of the line"
  if (token === "identifier") return `${lexer.value} (a text must be quoted)`
  if (token === "number") return lexer.value
  return token === "string" ? "a string" : token
}
