import { CfgSyntaxError, type Position } from "../errors.ts"
import { unescapeText } from "./quote.ts"
import type { Span } from "./tree.ts"

/** The tokens of xl's grammar (upstream: libxlu_cfg_l.l). White space and comments' text are not tokens. */
export type Token =
  | "identifier"
  | "number"
  | "string"
  | "newline"
  | "="
  | "+="
  | ","
  | ";"
  | "["
  | "]"
  | "end"

/** Characters that go on an identifier or a number, by their code. */
const IDENTIFIER = charactersOf("._0123456789abcdefghijklmnopqrstuvwxyz")
const NUMBER = charactersOf("0123456789abcdefx")

function charactersOf(characters: string): Uint8Array {
  const flags = new Uint8Array(128)
  for (const char of characters) flags[char.charCodeAt(0)] = 1
  return flags
}

/** Walks over a text token by token. After {@link next} the fields describe the token it returned. */
export class Lexer {
  readonly text: string
  start = 0
  end = 0
  /** A string's value, or an identifier's or number's spelling. */
  value = ""
  lostOctal = false
  /** A character at the very end of the text that xl does not see. */
  stray: Span | undefined
  /** Called with the range of each comment. */
  readonly #onComment: (start: number, end: number) => void

  constructor(text: string, onComment: (start: number, end: number) => void) {
    this.text = text
    this.#onComment = onComment
  }

  next(): Token {
    const { text } = this
    let at = this.end
    let char = text[at]
    while (char === " " || char === "\t") char = text[++at]
    this.start = at
    if (char === undefined) return this.#token("end", at)
    if (at === text.length - 1 && /[^a-z0-9=,;[\]\n\x80-\uffff]/.test(char)) return this.#stray(at)
    switch (char) {
      case "\n":
        return this.#token("newline", at + 1)
      case "#":
        return this.#comment(at)
      case '"':
      case "'":
        return this.#string(at, char)
      case "=":
      case ",":
      case ";":
      case "[":
      case "]":
        return this.#token(char, at + 1)
    }
    if (char >= "a" && char <= "z") return this.#word("identifier", IDENTIFIER, at)
    if (char >= "0" && char <= "9") return this.#word("number", NUMBER, at)
    if (char === "+" && text[at + 1] === "=") return this.#token("+=", at + 2)
    return this.fail(strangeCharacter(text, at), at)
  }

  position(offset: number): Position {
    const before = this.text.slice(0, offset)
    const lineStart = before.lastIndexOf("\n") + 1
    return { offset, line: (before.match(/\n/g)?.length ?? 0) + 1, column: offset - lineStart + 1 }
  }

  /** Throws the error for `offset`. */
  fail(problem: string, offset: number): never {
    const lineStart = this.text.lastIndexOf("\n", offset - 1) + 1
    const lineEnd = this.text.indexOf("\n", offset)
    const line = this.text.slice(lineStart, lineEnd < 0 ? undefined : lineEnd)
    throw new CfgSyntaxError(problem, this.position(offset), line)
  }

  /**
   * A lone last character that starts no token: xl's lexer leaves it to a rule that never gets to run at the
   * end of the file, so xl does not see it.
   */
  #stray(at: number): Token {
    this.stray = { start: at, end: at + 1 }
    return this.#token("end", at + 1)
  }

  #token(token: Token, end: number): Token {
    this.end = end
    return token
  }

  #word(token: Token, characters: Uint8Array, at: number): Token {
    let end = at + 1
    while (characters[this.text.charCodeAt(end)] === 1) end++
    this.value = this.text.slice(at, end)
    return this.#token(token, end)
  }

  #comment(at: number): Token {
    const newline = this.text.indexOf("\n", at)
    // xl's lexer knows a comment only together with the newline that ends it.
    if (newline < 0) this.fail("xl needs a newline after the last comment", at)
    this.#onComment(at, newline)
    this.start = newline
    return this.#token("newline", newline + 1)
  }

  #string(at: number, mark: '"' | "'"): Token {
    const end = stringEnd(this.text, at + 1, mark)
    if (this.text[end] !== mark) {
      const newline = this.text[end] === "\n" ? "; write a newline as \\n" : ""
      this.fail(`string without its closing ${mark}${newline}`, at)
    }
    const inside = this.text.slice(at + 1, end)
    const nul = inside.indexOf("\0")
    if (nul >= 0) this.fail("NUL in a string: xl aborts on it", at + 1 + nul)
    const { text, badEscape, lostOctal } = unescapeText(inside, mark)
    if (badEscape !== undefined) this.fail(refusedEscape(inside[badEscape + 1]!), at + 1 + badEscape)
    this.value = text
    this.lostOctal = lostOctal
    return this.#token("string", end + 1)
  }
}

/**
 * Offset of a string's closing mark, or of the newline or end that came before it. A loop, not a pattern: a
 * pattern with alternatives needs a stack as long as the string.
 */
function stringEnd(text: string, from: number, mark: string): number {
  for (let at = from; ; at++) {
    if (text[at] === "\\") at++
    else if (text[at] === mark) return at
    if (text[at] === "\n" || text[at] === undefined) return Math.min(at, text.length)
  }
}

function refusedEscape(char: string): string {
  if (char === "x") return "xl reads no \\x escapes; write the character itself, in UTF-8"
  return `xl knows no escape \\${char}; it knows \\\\ \\" \\' \\a \\b \\f \\n \\r \\t \\v`
}

function strangeCharacter(text: string, at: number): string {
  const char = String.fromCodePoint(text.codePointAt(at)!)
  if (char === "\uFEFF") return "a byte order mark; xl reads plain UTF-8 without one"
  if (char === "\r") return "a carriage return; xl wants lines that end in a newline alone"
  if (char === "-" || char === "+")
    return `xl reads no signed numbers; quote it: "${/^[-+]\w*/.exec(text.slice(at, at + 24))![0]}"`
  if (char === "(" || char === ")") return "parentheses: xl reads no Python; write lists in [ ]"
  if (/[A-Z]/.test(char)) return upperCase(text, at)
  if (/\p{Cc}/u.test(char))
    return `control character U+${char.codePointAt(0)!.toString(16).padStart(4, "0").toUpperCase()}`
  return `unexpected ${char}; a value that is not a number must be quoted`
}

function upperCase(text: string, at: number): string {
  const word = /^\w+/.exec(text.slice(at, at + 40))![0]
  if (/^(True|False|None)$/.test(word))
    return `${word}: xl reads no Python; write ${word === "True" ? "1" : "0"}`
  if (/^[0-9a-fA-F]+$/.test(word) && /[0-9x]/.test(text[at - 1] ?? ""))
    return "hexadecimal digits must be lower case"
  return `${word}: keys are lower case, and other values must be quoted`
}
