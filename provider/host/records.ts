import type { Command } from "../ssh/command.ts"
import { type Action, remove, write } from "./step.ts"

/** Where everything is kept that this program must remember on a host. */
export const RECORDS = "/var/lib/pulumi-xen"

export function recordPath(name: string): string {
  return `${RECORDS}/${name}.json`
}

/** A record by its file name. What cannot be read counts as not there: the plan then makes it anew. */
export function readRecord<Content>(
  files: Readonly<Record<string, string>>,
  name: string,
): Content | undefined {
  const text = files[recordPath(name)]
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as Content
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Keys in the order given, a newline at the end: the same content is the same file. */
export function recordText(content: object): string {
  return `${JSON.stringify(content, null, 2)}\n`
}

export function writeRecord(name: string, content: object): Action {
  return write(recordPath(name), recordText(content))
}

export function removeRecord(name: string): Action {
  return remove(recordPath(name))
}

/**
 * Writes a file aside, fsyncs it and its directory, and renames it: nobody ever reads half of it. Content on stdin. Aside
 * is a hidden backup file: that is what no program takes for its configuration when it is left behind.
 */
export function atomicWrite(path: string, mode: number): Command {
  const script = [
    "set -e",
    'mkdir -p "$(dirname "$1")"',
    'new=$(dirname "$1")/.$(basename "$1").pulumi-xen~',
    'umask 077 && cat >"$new"',
    'chmod "$2" "$new"',
    'sync "$new" 2>/dev/null || sync',
    'mv -f "$new" "$1"',
    'sync "$(dirname "$1")" 2>/dev/null || sync',
  ].join("\n")
  return ["sh", "-c", script, "sh", path, mode.toString(8)]
}
