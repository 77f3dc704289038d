import { ValueError } from "../errors.ts"

const NAMED = new Map([
  ["a", "\x07"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["v", "\v"],
  ["\\", "\\"],
  ['"', '"'],
  ["'", "'"],
])

const ESCAPES = new Map(
  [...NAMED].filter(([name]) => /[a-z\\]/.test(name)).map(([name, char]) => [char, `\\${name}`]),
)

/**
 * Why a text cannot stand in a configuration at all: a NUL ends a C string, and half of a surrogate pair has
 * no UTF-8. `undefined` for every other text.
 */
export function unwritable(text: string): string | undefined {
  if (text.includes("\0")) return "it holds a NUL, which ends a string for xl"
  if (!text.isWellFormed()) return "it holds half of a surrogate pair, which has no UTF-8 form"
  return undefined
}

/** The inside of a string literal that xl reads back as `text`. Throws {@link ValueError} where none exists. */
export function escapeText(text: string, quote: '"' | "'" = '"'): string {
  const problem = unwritable(text)
  if (problem !== undefined) throw new ValueError("string", problem)
  // Control characters would be read back raw as well, but escaped they can be seen.
  return text.replace(/[\\"'\x07\b\f\n\r\t\v]/g, char => {
    if (char === '"' || char === "'") return char === quote ? `\\${char}` : char
    return ESCAPES.get(char)!
  })
}

/** The string literal that xl reads back as `text`. Throws {@link ValueError} for a text that has none. */
export function quote(text: string, mark: '"' | "'" = '"'): string {
  return mark + escapeText(text, mark) + mark
}

/** What xl makes of the inside of a string literal. */
export interface Unescaped {
  readonly text: string
  /** Offset, within the literal's inside, of the first escape that xl refuses. */
  readonly badEscape?: number
  /** Whether an octal escape was read: xl accepts `\012` and drops it without a word. */
  readonly lostOctal: boolean
}

/** What libxlutil reads after an octal escape's first digit, in base ten and at most three characters of it. */
const OCTAL_REST = /^[ \t\v\f\r]*[+-]?[0-9]+/

/** Reads the inside of a string literal (upstream: `xlu__cfgl_dequote` in libxlu_cfg.c). */
export function unescapeText(inside: string, mark: string): Unescaped {
  let text = ""
  let from = 0
  let lostOctal = false
  for (let at = inside.indexOf("\\"); at >= 0; at = inside.indexOf("\\", from)) {
    text += inside.slice(from, at)
    const char = inside[at + 1]!
    from = at + 2
    const named = NAMED.get(char)
    if (named !== undefined) text += named
    else if (char >= "0" && char <= "7") {
      // The closing quote is in reach of its three-character window, and stops the digits.
      const rest = OCTAL_REST.exec((inside.slice(from, from + 3) + mark).slice(0, 3))?.[0].length ?? 0
      if (rest < 2) return { text, badEscape: at, lostOctal }
      from += rest
      lostOctal = true
    } else return { text, badEscape: at, lostOctal }
  }
  return { text: text + inside.slice(from), lostOctal }
}
