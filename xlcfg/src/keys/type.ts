import { parseSpec, type Spec } from "../devices/spec.ts"
import { ValueError } from "../errors.ts"
import type { Report } from "../problem.ts"
import { toLong } from "../syntax/number.ts"
import type { Literal, Value } from "../syntax/tree.ts"

/** What a key's value is, and how it gets from a configuration to a program and back. */
export interface Type<T> {
  /** For people: "number of MiB, from 1". */
  readonly name: string
  /** Reads what xl would read, and reports what is wrong. `undefined`: xl would get nothing from it. */
  read(value: Value, report: Report): T | undefined
  /** What to write so that xl reads `value`. Throws {@link ValueError} for what it cannot be. */
  write(value: T): Literal
  /** Whether the value names a file of the host that must be there. */
  readonly isFile?: true
}

function expectText(value: Value, name: string, report: Report): string | undefined {
  if (typeof value === "string") return value
  report({ code: "wrong-type", message: `a list, but it must be a ${name}: xl drops it` })
  return undefined
}

/** Any text. */
export const text: Type<string> = {
  name: "text",
  read: (value, report) => expectText(value, "text", report),
  write: value => value,
}

/** A file of the host. */
export const path: Type<string> = { ...text, name: "path", isFile: true }

/** A text of a given form. */
export function textLike(name: string, pattern: RegExp): Type<string> {
  return {
    name,
    read(value, report) {
      const given = expectText(value, name, report)
      if (given === undefined || pattern.test(given)) return given
      report({ code: "bad-value", message: `${JSON.stringify(given)} is no ${name}` })
      return undefined
    },
    write(value) {
      if (!pattern.test(value)) throw new ValueError(name, `${JSON.stringify(value)} is none`)
      return value
    },
  }
}

interface Bounds {
  readonly min?: number
  readonly max?: number
  readonly unit?: string
}

/** A whole number, within bounds (both included). */
export function integer({ min = 0, max, unit }: Bounds = {}): Type<number> {
  const range = max === undefined ? `from ${min}` : `from ${min} to ${max}`
  const name = `number${unit ? ` of ${unit}` : ""}, ${range}`
  const fits = (value: number) => value >= min && value <= (max ?? Number.MAX_SAFE_INTEGER)
  return {
    name,
    read(value, report) {
      const given = expectText(value, "number", report)
      if (given === undefined) return undefined
      const long = toLong(given)
      if (long === undefined)
        report({ code: "bad-value", message: `${JSON.stringify(given)} is no number: xl drops it` })
      else if (!fits(Number(long))) report({ code: "out-of-range", message: `${long} is not ${range}` })
      else return Number(long)
      return undefined
    },
    write(value) {
      if (!Number.isInteger(value) || !fits(value))
        throw new ValueError("number", `${value} is not a whole number ${range}`)
      return value
    },
  }
}

/** 0 for false, any other number for true. */
export const boolean: Type<boolean> = {
  name: "boolean (0 or 1)",
  read(value, report) {
    const given = expectText(value, "number, 0 or 1", report)
    if (given === undefined) return undefined
    const long = toLong(given)
    if (long === undefined)
      report({ code: "bad-value", message: `${JSON.stringify(given)} is no number, 0 or 1: xl drops it` })
    return long === undefined ? undefined : long !== 0n
  },
  write: value => value,
}

interface OneOfOptions<T> {
  /** Names for numbers that xl still reads in their place. */
  readonly numbers?: readonly T[]
  /** The first release that knows a name. */
  readonly since?: Partial<Record<string, "4.18" | "4.19" | "4.20">>
}

/** One of some names. */
export function oneOf<const T extends string>(
  names: readonly T[],
  { numbers, since }: OneOfOptions<T> = {},
): Type<T> {
  const name = `one of ${names.map(each => `"${each}"`).join(", ")}`
  return {
    name,
    read(value, report) {
      const given = expectText(value, name, report)
      if (given === undefined) return undefined
      const index = numbers && toLong(given)
      const old = index === undefined ? undefined : numbers?.[Number(index)]
      if (old !== undefined)
        report({
          code: "deprecated",
          message: `the number ${given} is an old form`,
          remedy: `write "${old}"`,
        })
      // libxl's names are compared without regard to case; nearly all of them are lower case here.
      const known =
        old ?? names.find(each => each === given) ?? names.find(each => each === given.toLowerCase())
      if (known === undefined)
        report({ code: "bad-value", message: `${JSON.stringify(given)} is not ${name}` })
      const first = known && since?.[known]
      if (first) report({ code: "too-new", since: first, message: `"${known}"` })
      return known
    },
    write(value) {
      if (!names.includes(value)) throw new ValueError("value", `${JSON.stringify(value)} is not ${name}`)
      return value
    },
  }
}

/** A device in its own small language: what it holds, or the text itself. */
export function spec<T extends object>({ kind, scan, print }: Spec<T>): Type<T | string> {
  return {
    name: kind,
    read(value, report) {
      if (typeof value === "string") return scan(value, report)
      report({
        code: "wrong-type",
        message: `a list, but it must be a ${kind} in one text: xl stops reading the devices there`,
      })
      return undefined
    },
    write(value) {
      if (typeof value !== "string") return print(value)
      scan(value, ({ code, message, remedy }) => {
        if (code !== "too-new" && code !== "deprecated") throw new ValueError(kind, message, remedy)
      })
      return value
    },
  }
}

/** A text in a small language of its own, kept as text. */
export function textIn<T>({ kind, scan }: Spec<T>): Type<string> {
  return {
    name: kind,
    read(value, report) {
      const given = expectText(value, kind, report)
      return given === undefined || scan(given, report) === undefined ? undefined : given
    },
    write(value) {
      parseSpec({ kind, scan }, value)
      return value
    },
  }
}

/** A list of what `item` reads. */
export function list<T>(item: Type<T>): Type<readonly T[]> {
  return {
    name: `list, each a ${item.name}`,
    read(value, report) {
      if (typeof value === "string") {
        report({
          code: "wrong-type",
          message: "a single value, but it must be a list: xl drops it",
          remedy: "put it in [ ]",
        })
        return undefined
      }
      return value
        .map((each, index) =>
          item.read(each, problem => report({ ...problem, path: [index, ...(problem.path ?? [])] })),
        )
        .filter(each => each !== undefined)
    },
    write: values => values.map(item.write),
  }
}

/** A list, or one value in its place. */
export function listOr<L, T>(
  many: Type<readonly L[]>,
  single: Type<T>,
  deprecated = false,
): Type<readonly L[] | T> {
  return {
    name: `${many.name}; or ${single.name}${deprecated ? " (deprecated)" : ""}`,
    read(value, report) {
      if (typeof value !== "string") return many.read(value, report)
      if (deprecated)
        report({
          code: "deprecated",
          message: "a single text is an old form of this list",
          remedy: "put it in [ ]",
        })
      return single.read(value, report)
    },
    write: value => (Array.isArray(value) ? many.write(value as readonly L[]) : single.write(value as T)),
  }
}

/** A value that is read by its own functions. */
export function nested<T>(name: string, read: Type<T>["read"], write: Type<T>["write"]): Type<T> {
  return { name, read, write }
}
