import type { XenVersion } from "../version.ts"
import type { Type } from "./type.ts"

export const guestTypes = ["pv", "pvh", "hvm"] as const
export type GuestType = (typeof guestTypes)[number]

interface Facts {
  /** The first of the known releases that reads it; all of them where it is missing. */
  readonly since?: XenVersion
  /** The kinds of guest for which xl reads it; all of them where it is missing. */
  readonly guests?: readonly GuestType[]
  /** Only on this architecture. */
  readonly arch?: "x86" | "arm"
  /** xl takes it and does nothing with it, or it has a successor: what to do instead. */
  readonly deprecated?: string
  /** xl takes it and does nothing with it: why. */
  readonly ignored?: string
}

/** What is known of a key of xl's configuration. */
export interface Key<T> extends Facts {
  readonly type: Type<T>
  /** What it is, in a line. */
  readonly line: string
}

export type Keys = Readonly<Record<string, Key<unknown>>>

/** A row of the table. */
export function key<T>(type: Type<T>, line: string, facts: Facts = {}): Key<T> {
  return { type, line, ...facts }
}
