import { Secret } from "../secret.ts"

/** The value of a property that is not known before the update runs (a preview's placeholder for an output). */
export const unknown: unique symbol = Symbol("unknown")
export type Unknown = typeof unknown

/** A file's worth of bytes that a program hands over: by path, as text, or by address. */
export class Asset {
  readonly source: { path: string } | { text: string } | { uri: string }
  /** SHA-256 as the engine computed it, hexadecimal; absent when the engine did not read the asset. */
  readonly hash: string | undefined

  constructor(source: Asset["source"], hash?: string) {
    this.source = source
    this.hash = hash
  }
}

/** Several files that a program hands over: a folder or packed file by path or address, or named parts. */
export class Archive {
  readonly source:
    | { path: string }
    | { uri: string }
    | { assets: { readonly [name: string]: Asset | Archive } }
  readonly hash: string | undefined

  constructor(source: Archive["source"], hash?: string) {
    this.source = source
    this.hash = hash
  }
}

/** Everything that a Pulumi property can hold. An absent property is `undefined`, and is never sent. */
export type Value =
  | null
  | boolean
  | number
  | string
  | Unknown
  | Asset
  | Archive
  | Secret<Value>
  | readonly Value[]
  | { readonly [key: string]: Value | undefined }

export type Properties = { readonly [key: string]: Value | undefined }

/** Whether a value is a plain object of properties, and not one of the classes above. */
export function isProperties(value: unknown): value is Properties {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Asset || value instanceof Archive || value instanceof Secret)
  )
}

/** The value without its secret envelopes, at every depth. */
export function bare(value: Value | undefined): Value | undefined {
  if (value instanceof Secret) return bare(value.reveal())
  if (Array.isArray(value)) return value.map(item => bare(item) as Value)
  if (isProperties(value)) return mapProperties(value, bare)
  return value
}

export function mapProperties(
  properties: Properties,
  transform: (value: Value | undefined, key: string) => Value | undefined,
): Properties {
  return Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, transform(value, key)]))
}

/** Whether `matches` holds for the value or for anything inside it, secret envelopes included. */
export function contains(value: Value | undefined, matches: (part: Value) => boolean): boolean {
  if (value === undefined) return false
  if (matches(value)) return true
  if (value instanceof Secret) return contains(value.reveal(), matches)
  if (Array.isArray(value)) return value.some(item => contains(item, matches))
  if (isProperties(value)) return Object.values(value).some(item => contains(item, matches))
  return false
}

export const containsUnknown = (value: Value | undefined): boolean =>
  contains(value, part => part === unknown)
export const containsSecret = (value: Value | undefined): boolean =>
  contains(value, part => part instanceof Secret)

/** The path of a nested property as Pulumi writes it: `connection.port`, `networks[0].bridge`, `tags["a.b"]`. */
export function childPath(parent: string, key: string | number): string {
  if (typeof key === "number") return `${parent}[${key}]`
  if (!/^[A-Za-z_$][\w$]*$/.test(key)) return `${parent}[${JSON.stringify(key)}]`
  return parent === "" ? key : `${parent}.${key}`
}
