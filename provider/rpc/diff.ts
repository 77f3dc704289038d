import { isDeepStrictEqual } from "node:util"
import type { Field, Fields } from "./declare.ts"
import { Archive, Asset, bare, childPath, isProperties, type Properties, type Value } from "./value.ts"

export type ChangeKind = "add" | "delete" | "update"

/** One changed property, at the path Pulumi shows it under. */
export interface Change {
  readonly path: string
  readonly kind: ChangeKind
  /** The change cannot be made in place: a new resource takes the old one's stead. */
  readonly replaces: boolean
  /** Whether the path is one of the inputs (true), or of the outputs, as drift is (false). */
  readonly input: boolean
}

/**
 * What differs between two sets of checked inputs, as deep as the declaration goes. A property whose new value
 * is unknown in a preview counts as changed; an incidental one never does.
 */
export function diffInputs(fields: Fields, olds: Properties, news: Properties): Change[] {
  return diffFields(fields, olds, news, "", false)
}

function diffFields(
  fields: Fields,
  olds: Properties,
  news: Properties,
  path: string,
  replaces: boolean,
): Change[] {
  return Object.entries(fields).flatMap(([name, field]) =>
    field.incidental
      ? []
      : diffField(field, bare(olds[name]), bare(news[name]), childPath(path, name), replaces),
  )
}

function diffField(
  field: Field,
  old: Value | undefined,
  now: Value | undefined,
  path: string,
  outerReplaces: boolean,
): Change[] {
  if (same(old, now)) return []
  const replaces = outerReplaces || field.replaces === true
  const { shape } = field
  if (shape.kind === "object" && isProperties(old) && isProperties(now))
    return diffFields(shape.fields, old, now, path, replaces)
  if (shape.kind === "map" && isProperties(old) && isProperties(now)) {
    const keys = new Set([...Object.keys(old), ...Object.keys(now)])
    return [...keys].flatMap(key => diffField(shape.item, old[key], now[key], childPath(path, key), replaces))
  }
  if (shape.kind === "list" && Array.isArray(old) && Array.isArray(now)) {
    const length = Math.max(old.length, now.length)
    return Array.from({ length }, (_, index) =>
      diffField(shape.item, old[index], now[index], childPath(path, index), replaces),
    ).flat()
  }
  return [{ path, kind: kindOf(old, now), replaces, input: true }]
}

function kindOf(old: Value | undefined, now: Value | undefined): ChangeKind {
  if (isAbsent(old)) return "add"
  return isAbsent(now) ? "delete" : "update"
}

/** Two assets with the same content are the same, wherever they come from; absent and null are one. */
function same(a: Value | undefined, b: Value | undefined): boolean {
  if (isAbsent(a) && isAbsent(b)) return true
  if ((a instanceof Asset && b instanceof Asset) || (a instanceof Archive && b instanceof Archive))
    if (a.hash !== undefined && b.hash !== undefined) return a.hash === b.hash
  return isDeepStrictEqual(a, b)
}

const isAbsent = (value: Value | undefined): value is null | undefined =>
  value === undefined || value === null
