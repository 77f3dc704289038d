import type { Command } from "./command.ts"

/** A word that no shell can read: it is refused before anything is sent. */
export class UnquotableError extends TypeError {
  override readonly name = "UnquotableError"
}

/**
 * One word of the POSIX shell (IEEE 1003.1, Shell Command Language 2.2.2): between single quotes every
 * byte stands for itself but the quote, which is written outside them. NUL cannot be in an argument at all
 * (execve(2)); a lone surrogate has no UTF-8 form and would arrive as another character.
 */
export function quote(word: string): string {
  if (word.includes("\0")) throw new UnquotableError(`An argument holds a NUL byte: ${JSON.stringify(word)}`)
  if (!word.isWellFormed())
    throw new UnquotableError(`An argument is no valid Unicode: ${JSON.stringify(word)}`)
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/** Words that mean themselves in every shell, unquoted; `=` and `~` do not, depending on their place. */
const PLAIN = /^[A-Za-z0-9_%+,./:@-]+$/

/** The words of a command, each quoted. */
export function quoteCommand(command: Command): string {
  return command.map(quote).join(" ")
}

const SHOWN_LENGTH = 300

/** A command for people: as one would type it, on one line, and not longer than fits. */
export function formatCommand(command: Command): string {
  const line = command
    .map(word => `${PLAIN.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`}`)
    .join(" ")
    .replaceAll("\n", "⏎")
  return line.length > SHOWN_LENGTH ? `${line.slice(0, SHOWN_LENGTH)}…` : line
}
