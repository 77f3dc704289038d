import { type Action, remove, write } from "./step.ts"

/** Files as they were before: contents by path; null where there was no file. */
export type Originals = Readonly<Record<string, string | null>>

/** What was noted first holds: a later look sees what was changed meanwhile. */
export function noted(first: Originals | undefined, now: Originals): Originals {
  return { ...first, ...now, ...first }
}

/** Makes the files what is said of them. `modeOf` is octal, default that of `write`. */
export function setFiles(originals: Originals, modeOf?: (path: string) => number): Action[] {
  return Object.entries(originals).map(([path, content]) =>
    content === null ? remove(path) : write(path, content, modeOf?.(path)),
  )
}
