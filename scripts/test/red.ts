import { stripVTControlCharacters } from "node:util"

/** Lines of a run's end that are told where ava did not come to its own summary. */
const LAST_LINES = 40

/**
 * What ava says of the tests that were not green: all after the line that it draws under its list of results, or its last
 * {@link LAST_LINES} lines if it was ended before.
 *
 * @param output what ava printed, with or without colours
 */
export function redOf(output: string): string {
  const lines = output.trimEnd().split("\n")
  const plain = lines.map(stripVTControlCharacters)
  const lastResult = plain.findLastIndex(line => /^ {2}[✔✘]/.test(line))
  // Further ones stand between the tests that failed.
  const rule = plain.indexOf("  ─", lastResult)
  return lines
    .slice(rule < 0 ? -LAST_LINES : rule + 1)
    .join("\n")
    .trim()
}

/** The results that are not green in what ava has printed until now, a line each: it tells why only in its summary. */
export function failedIn(output: string): string {
  const lines = output.split("\n").filter(line => /^ {2}✘/.test(stripVTControlCharacters(line)))
  return lines.join("\n")
}
