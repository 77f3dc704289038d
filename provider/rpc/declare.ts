import type { Secret } from "../secret.ts"
import type { Archive, Asset } from "./value.ts"

/**
 * The declaration of a resource's properties. It is made once, and four things come from it: the Pulumi schema
 * (`schema.ts`), the checks with their messages (`check.ts`), what a change means (`diff.ts`), and the
 * TypeScript types that a resource's code sees (`Known`, below).
 */
export type Shape =
  | { readonly kind: "text"; readonly rule?: TextRule; readonly choices?: readonly string[] }
  | { readonly kind: "number"; readonly integer: boolean; readonly min?: number; readonly max?: number }
  | { readonly kind: "boolean" }
  | { readonly kind: "asset" }
  | { readonly kind: "list"; readonly item: Field }
  | { readonly kind: "map"; readonly item: Field }
  | { readonly kind: "object"; readonly name: string; readonly fields: Fields }
  | { readonly kind: "either"; readonly options: readonly Field[] }

/** A text is right when the pattern matches all of it; `says` completes "must be …". */
export interface TextRule {
  readonly pattern: RegExp
  readonly says: string
}

export interface Field<out T = unknown, out Required extends boolean = boolean> {
  readonly shape: Shape
  readonly description: string
  readonly required: Required
  /** What an absent input means. A field with a default is optional to the user and always there for the code. */
  readonly default?: T
  /** Kept encrypted in the state; the code sees it as a `Secret`. */
  readonly secret?: true
  /** A change makes a new resource. */
  readonly replaces?: true
  /** Not a part of what the resource is, such as the way its host is reached: a change alone changes nothing. */
  readonly incidental?: true
  /**
   * For what the resource's code makes, an output or a computed input: the inputs it is made from, so that it is secret
   * when one of them is. Default: all that are not incidental. What was given in its place as a secret stays one.
   */
  readonly from?: readonly string[]
  /** Carries `T`; never set. */
  readonly phantom?: T
}

export type Fields = { readonly [name: string]: Field }

type Flatten<T> = { [K in keyof T]: T[K] }
/** The TypeScript type of checked, fully known properties. */
export type Known<F extends Fields> = Flatten<
  { readonly [K in keyof F as F[K] extends Field<unknown, true> ? K : never]: TypeOf<F[K]> } & {
    readonly [K in keyof F as F[K] extends Field<unknown, true> ? never : K]?: TypeOf<F[K]> | undefined
  }
>
export type TypeOf<F extends Field> = F extends Field<infer T> ? T : never

/** What is known of the properties in a preview: whatever another resource has yet to make is `undefined`. */
export type Partly<T> = T extends string | number | boolean | null | undefined | Secret | Asset | Archive
  ? T
  : T extends readonly (infer Item)[]
    ? readonly (Partly<Item> | undefined)[]
    : { readonly [K in keyof T]?: Partly<T[K]> | undefined }

export function text(description: string, rule?: TextRule): Field<string, true> {
  return { shape: { kind: "text", ...(rule && { rule }) }, description, required: true }
}

export function choice<const C extends string>(description: string, choices: readonly C[]): Field<C, true> {
  return { shape: { kind: "text", choices }, description, required: true }
}

/** `min` and `max` are inclusive. */
export function integer(
  description: string,
  range: { min?: number; max?: number } = {},
): Field<number, true> {
  return { shape: { kind: "number", integer: true, ...range }, description, required: true }
}

export function number(description: string, range: { min?: number; max?: number } = {}): Field<number, true> {
  return { shape: { kind: "number", integer: false, ...range }, description, required: true }
}

export function flag(description: string): Field<boolean, true> {
  return { shape: { kind: "boolean" }, description, required: true }
}

export function asset(description: string): Field<Asset, true> {
  return { shape: { kind: "asset" }, description, required: true }
}

export function list<T>(description: string, item: Field<T, true>): Field<readonly T[], true> {
  return { shape: { kind: "list", item }, description, required: true }
}

export function map<T>(
  description: string,
  item: Field<T, true>,
): Field<{ readonly [key: string]: T }, true> {
  return { shape: { kind: "map", item }, description, required: true }
}

/** A nested object. It becomes a type of the schema under its name, so one name means one list of fields. */
export function object<const F extends Fields>(
  description: string,
  name: string,
  fields: F,
): Field<Known<F>, true> {
  return { shape: { kind: "object", name, fields }, description, required: true }
}

/** A value of either kind; the first option that fits is taken. */
export function either<A, B>(description: string, a: Field<A, true>, b: Field<B, true>): Field<A | B, true> {
  return { shape: { kind: "either", options: [a, b] }, description, required: true }
}

export function optional<T>(field: Field<T, true>): Field<T, false> {
  return { ...field, required: false }
}

export function withDefault<T>(field: Field<T, true>, value: T): Field<T, true> {
  return { ...field, default: value }
}

export function secret<T, R extends boolean>(field: Field<T, R>): Field<Secret<T>, R> {
  return { ...(field as Field<never, R>), secret: true }
}

export function replaces<T, R extends boolean>(field: Field<T, R>): Field<T, R> {
  return { ...field, replaces: true }
}

export function incidental<T, R extends boolean>(field: Field<T, R>): Field<T, R> {
  return { ...field, incidental: true }
}

/** For an output or a computed input: which inputs it is made from. With none it is never secret. */
export function madeFrom<T, R extends boolean>(inputs: readonly string[], field: Field<T, R>): Field<T, R> {
  return { ...field, from: inputs }
}
