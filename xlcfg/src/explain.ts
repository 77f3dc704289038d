import { groups, type KeyName, keyOf } from "./keys/table.ts"
import { xenVersions } from "./version.ts"

/** What is known of a key, as texts: a row of the reference and of `xlcfg explain`. */
export interface Explanation {
  readonly key: KeyName
  readonly group: string
  readonly line: string
  readonly type: string
  /** The releases whose xl reads it, like `4.17 to 4.20`. */
  readonly versions: string
  /** The kinds of guest that it is for; empty for all. */
  readonly guests: readonly string[]
  readonly arch?: string
  /** What to do in its place. */
  readonly instead?: string
}

/** What is known of a key. */
export function explain(key: KeyName): Explanation {
  const { line, type, since, guests = [], arch, deprecated, ignored } = keyOf(key)
  const instead = deprecated ?? ignored
  const first = since ?? xenVersions[0]
  const last = xenVersions.at(-1)!
  return {
    key,
    group: Object.entries(groups).find(([, rows]) => key in rows)![0],
    line,
    type: type.name,
    versions: first === last ? last : `${first} to ${last}`,
    guests,
    ...(arch && { arch }),
    ...(instead && { instead }),
  }
}
