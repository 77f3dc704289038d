/** Everything this library throws on purpose. `instanceof XlcfgError` tells its errors from bugs. */
export class XlcfgError extends Error {
  override readonly name: string = "XlcfgError"
}

/** A place in a text. `line` and `column` count from 1, `offset` (in UTF-16 units) from 0. */
export interface Position {
  readonly offset: number
  readonly line: number
  readonly column: number
}

/** Where a text stops being an xl configuration. The message shows the line and a caret under the column. */
export class CfgSyntaxError extends XlcfgError {
  override readonly name = "CfgSyntaxError"
  /** What is wrong, without place and caret. */
  readonly problem: string
  readonly position: Position
  /** The line itself, cut to a window around the column where it is long. */
  readonly excerpt: string

  constructor(problem: string, position: Position, lineText: string) {
    const { excerpt, caret } = point(lineText, position.column)
    super(`line ${position.line}, column ${position.column}: ${problem}\n  ${excerpt}\n  ${caret}`)
    this.problem = problem
    this.position = position
    this.excerpt = excerpt
  }
}

/** A value that xl cannot take, or that cannot be written so that xl reads it back. */
export class ValueError extends XlcfgError {
  override readonly name = "ValueError"
  /** What the value is for: a key of the configuration, or a kind of specification. */
  readonly subject: string
  readonly problem: string
  readonly remedy: string | undefined

  constructor(subject: string, problem: string, remedy?: string) {
    super(`${subject}: ${problem}${remedy === undefined ? "" : `; ${remedy}`}`)
    this.subject = subject
    this.problem = problem
    this.remedy = remedy
  }
}

/** A skeleton whose variables and values do not agree, or that puts a variable where no value can stand. */
export class SkeletonError extends XlcfgError {
  override readonly name = "SkeletonError"
  /** The variables in question, as they are named in the skeleton, without their `@`. */
  readonly variables: readonly string[]

  constructor(message: string, variables: readonly string[]) {
    super(message)
    this.variables = variables
  }
}

const WINDOW = 100

/** The part of a line around a column, and the caret line that goes under it (tabs kept, so that both align). */
function point(line: string, column: number): { excerpt: string; caret: string } {
  const from = line.length <= WINDOW ? 0 : Math.max(0, column - 1 - WINDOW / 2)
  const excerpt = line.slice(from, from + WINDOW).replace(/[^\t\P{Cc}]/gu, "\uFFFD")
  const caret = `${excerpt.slice(0, column - 1 - from).replace(/[^\t]/g, " ")}^`
  return { excerpt, caret }
}
