import { readFileSync } from "node:fs"
import type { Command } from "../ssh/command.ts"

/** Shell functions by which a script on a host writes its files; to be put before it. An error shows no comments. */
export const FILES_SH = readFileSync(new URL("files.sh", import.meta.url), "utf8").replace(/^#.*\n/gm, "")

/**
 * Writes a file aside, fsyncs it and its directory, and renames it: nobody ever reads half of it. Its `bytes` come on
 * standard input; of fewer, which is what a cut connection leaves, nothing becomes of it.
 */
export function replaceFile(path: string, mode: number, bytes: number): Command {
  return ["sh", "-c", `${FILES_SH}replace "$@"`, "sh", path, mode.toString(8), String(bytes)]
}
