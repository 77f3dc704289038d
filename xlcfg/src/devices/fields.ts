import { ValueError } from "../errors.ts"
import type { XenVersion } from "../version.ts"

/** How the value of one `name=value` of a device specification is read and written. */
export interface Field<T> {
  /** What is wanted, for messages: "a number from 1 to 31". */
  readonly wanted: string
  /** `undefined` where the text is not what is wanted. */
  read(text: string): T | undefined
  write(value: T): string
  readonly required?: boolean
  /** The first release whose xl reads it. */
  readonly since?: XenVersion
  /** Another, deprecated name of the same field. */
  readonly alias?: string
  /** Written as a bare word, `NAME` for true and `unNAME` for false. */
  readonly flag?: true
}

/** Any text. */
export function text(wanted = "a text"): Field<string> {
  return { wanted, read: value => value, write: value => value }
}

/** A whole number from 0, within bounds (both included). */
export function integer(min = 0, max = 2 ** 31 - 1): Field<number> {
  const wanted = max === 2 ** 31 - 1 ? `a number from ${min}` : `a number from ${min} to ${max}`
  const fits = (value: number) => Number.isInteger(value) && value >= min && value <= max
  return {
    wanted,
    read: value => (/^[0-9]{1,10}$/.test(value) && fits(Number(value)) ? Number(value) : undefined),
    write: value => {
      if (!fits(value)) throw new ValueError("number", `${value} is not ${wanted}`)
      return String(value)
    },
  }
}

/** 1 or 0. */
export const boolean: Field<boolean> = {
  wanted: "0 or 1",
  read: value => (value === "1" ? true : value === "0" ? false : undefined),
  write: value => (value ? "1" : "0"),
}

/** A bare word, `NAME` or `unNAME`. */
export const flag: Field<boolean> = { ...boolean, flag: true }

/** One of some names, whose case xl does not mind. */
export function oneOf<const T extends string>(names: readonly T[]): Field<T> {
  return {
    wanted: `one of ${names.join(", ")}`,
    read: value => names.find(name => name.toLowerCase() === value.toLowerCase()),
    write: value => value,
  }
}

/** Several of what `item` reads, separated by `separator`. */
export function several<T>(item: Field<T>, separator: string): Field<readonly T[]> {
  return {
    wanted: `${item.wanted}, several separated by ${JSON.stringify(separator)}`,
    read: value => {
      const items = value.split(separator).map(item.read)
      return items.includes(undefined) ? undefined : (items as T[])
    },
    write: values => values.map(item.write).join(separator),
  }
}

export function required<T>(field: Field<T>): Field<T> & { readonly required: true } {
  return { ...field, required: true }
}

/** A field that xl reads since a release. */
export function since<T>(version: XenVersion, field: Field<T>): Field<T> {
  return { ...field, since: version }
}

/** A field with a second, deprecated name. */
export function alias<T>(name: string, field: Field<T>): Field<T> {
  return { ...field, alias: name }
}
