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
