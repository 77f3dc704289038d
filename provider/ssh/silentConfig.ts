import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { matchPattern } from "./hostKey/patterns.ts"

/** Keywords of ssh_config(5) that are about sessions of people: what a distribution's own file consists of. */
const NOTHING = new Set([
  ..."sendenv hashknownhosts visualhostkey loglevel addkeystoagent compression".split(" "),
  ..."gssapiauthentication gssapidelegatecredentials forwardagent forwardx11 forwardx11trusted".split(" "),
])

/**
 * Whether ssh_config files leave everything that is read from them at OpenSSH's defaults, for every host. Then the
 * three processes that it takes to ask `ssh` need not be started: of a connection they are the dearest part. A
 * keyword that is not known here, a `Match`, a `Host` other than `*`: all these say something.
 */
export function areSilent(files: readonly string[], depth = 0): boolean {
  return files.every(file => isSilent(file, depth))
}

function isSilent(file: string, depth: number): boolean {
  const text = readIfThere(file)
  if (text === undefined || depth > 16) return false
  return text.split("\n").every(line => {
    const [, keyword = "", rest = ""] = /^\s*([^\s=#]*)[\s=]*(.*?)\s*$/.exec(line) ?? []
    const name = keyword.toLowerCase()
    if (name === "" || NOTHING.has(name)) return true
    if (name === "host") return rest === "*"
    const included = name === "include" ? filesOf(rest) : undefined
    return included !== undefined && areSilent(included, depth + 1)
  })
}

/**
 * The files of an absolute path, or of one with a star in its last part, which is all that distributions include; of
 * anything else undefined. Node's own glob takes longer than all the rest of this file.
 */
function filesOf(pattern: string): string[] | undefined {
  const [, directory, last] = /^(\/(?:[\w.-]+\/)*)([\w.-]*\*?[\w.-]*)$/.exec(pattern) ?? []
  if (directory === undefined || last === undefined) return undefined
  if (!last.includes("*")) return [pattern]
  return namesIn(directory)
    .filter(name => matchPattern(last, name) && (!last.startsWith("*") || !name.startsWith(".")))
    .map(name => join(directory, name))
}

/** As for glob(3), a directory that cannot be read holds nothing. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

/** A file that is not there is empty; one that cannot be read is for `ssh` to complain about. */
function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8")
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "" : undefined
  }
}
