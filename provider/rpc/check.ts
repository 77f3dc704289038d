import { Secret, secretsOf } from "../secret.ts"
import type { Field, Fields, TextRule } from "./declare.ts"
import {
  Archive,
  Asset,
  bare,
  childPath,
  isProperties,
  type Properties,
  unknown,
  type Value,
} from "./value.ts"

/** One reason why a resource's inputs cannot be used; `property` is a path such as `connection.port`. */
export interface Failure {
  readonly property: string
  readonly reason: string
}

export interface Checked {
  /** The inputs with defaults filled in, and declared secrets and passwords in addresses in secret envelopes. */
  readonly inputs: Properties
  readonly failures: readonly Failure[]
}

/** Holds the inputs against their declaration. What is unknown in a preview passes; it is checked at the update. */
export function checkInputs(fields: Fields, inputs: Properties): Checked {
  const failures: Failure[] = []
  const checked = checkFields(fields, inputs, "", failures)
  return { inputs: checked, failures }
}

function checkFields(fields: Fields, values: Properties, path: string, failures: Failure[]): Properties {
  const result: { [key: string]: Value } = {}
  for (const [name, field] of Object.entries(fields)) {
    const at = childPath(path, name)
    const given = values[name]
    // A secret envelope around null is what the SDK sends for an absent optional secret.
    if (given === undefined || bare(given) === null) {
      if (field.default !== undefined) result[name] = seal(field, field.default as Value)
      else if (field.required)
        failures.push({ property: at, reason: `${at} is missing: ${field.description}` })
      continue
    }
    result[name] = seal(field, checkValue(field, given, at, failures))
  }
  for (const name of Object.keys(values)) {
    // Pulumi's SDKs add internal keys of their own.
    if (name in fields || name.startsWith("__")) continue
    failures.push({ property: childPath(path, name), reason: unknownName(name, Object.keys(fields), path) })
  }
  return result
}

/** A password in an address is encrypted in the state as every other is, whether or not the program marked it. */
function seal(field: Field, value: Value): Value {
  const isSecret = field.secret || (typeof value === "string" && secretsOf(value).length > 0)
  return isSecret && !(value instanceof Secret) && value !== unknown ? new Secret<Value>(value) : value
}

function checkValue(field: Field, value: Value, path: string, failures: Failure[]): Value {
  if (value instanceof Secret) {
    const inner = value.reveal() as Value
    return new Secret<Value>(checkValue({ ...field, secret: true }, inner, path, failures))
  }
  if (value === unknown) return value
  const fail = (wanted: string): Value => {
    // A secret's value is never shown, not even to say what is wrong with it.
    const seen = field.secret ? "what was given is not" : `${path} is ${show(value)}`
    failures.push({ property: path, reason: `${path} must be ${wanted}; ${seen}` })
    return value
  }
  const { shape } = field
  switch (shape.kind) {
    case "text":
      if (typeof value !== "string") return fail("a text")
      if (shape.choices && !shape.choices.includes(value)) return fail(`one of ${listChoices(shape.choices)}`)
      if (shape.rule && !matches(shape.rule, value)) return fail(shape.rule.says)
      return value
    case "number": {
      const { min = -Infinity, max = Infinity } = shape
      if (
        typeof value !== "number" ||
        (shape.integer && !Number.isInteger(value)) ||
        value < min ||
        value > max
      )
        return fail(describeNumber(shape))
      return value
    }
    case "boolean":
      return typeof value === "boolean" ? value : fail("true or false")
    case "asset":
      return value instanceof Asset ? value : fail("a Pulumi asset")
    case "list":
      if (!Array.isArray(value)) return fail("a list")
      return value.map((item, index) => {
        const inner = inherit(field, shape.item)
        return seal(shape.item, checkValue(inner, item as Value, childPath(path, index), failures))
      })
    case "map": {
      if (!isProperties(value)) return fail("a map")
      const entries = Object.entries(value).map(([key, item]) => {
        const inner = inherit(field, shape.item)
        return [key, seal(shape.item, checkValue(inner, item ?? null, childPath(path, key), failures))]
      })
      return Object.fromEntries(entries)
    }
    case "object":
      if (!isProperties(value)) return fail("an object")
      return checkFields(field.secret ? allSecret(shape.fields) : shape.fields, value, path, failures)
    case "either": {
      const options = shape.options.map(option => inherit(field, option))
      const option =
        options.find(option => checks(option, value)) ?? options.find(option => sameKind(option, value))
      return option ? checkValue(option, value, path, failures) : fail(options.map(describeKind).join(" or "))
    }
  }
}

/** What stands inside a secret is secret too: its messages must not show it. */
function inherit(outer: Field, inner: Field): Field {
  return outer.secret ? { ...inner, secret: true } : inner
}

function allSecret(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, { ...field, secret: true }]))
}

function checks(field: Field, value: Value): boolean {
  const failures: Failure[] = []
  checkValue(field, value, "", failures)
  return failures.length === 0
}

function sameKind(field: Field, value: Value): boolean {
  const kinds: { [kind: string]: boolean } = {
    text: typeof value === "string",
    number: typeof value === "number",
    boolean: typeof value === "boolean",
    asset: value instanceof Asset,
    list: Array.isArray(value),
    map: isProperties(value),
    object: isProperties(value),
  }
  return kinds[field.shape.kind] ?? false
}

function describeKind(field: Field): string {
  const { shape } = field
  switch (shape.kind) {
    case "number":
      return describeNumber(shape)
    case "boolean":
      return "true or false"
    case "asset":
      return "a Pulumi asset"
    case "either":
      return shape.options.map(describeKind).join(" or ")
    default:
      return shape.kind === "object" ? "an object" : `a ${shape.kind}`
  }
}

function describeNumber(shape: { integer: boolean; min?: number; max?: number }): string {
  const noun = shape.integer ? "a whole number" : "a number"
  if (shape.min !== undefined && shape.max !== undefined) return `${noun} from ${shape.min} to ${shape.max}`
  if (shape.min !== undefined) return `${noun} of at least ${shape.min}`
  if (shape.max !== undefined) return `${noun} of at most ${shape.max}`
  return noun
}

function matches(rule: TextRule, value: string): boolean {
  return new RegExp(`^(?:${rule.pattern.source})$`, rule.pattern.flags).test(value)
}

function show(value: Value): string {
  if (value === null) return "null"
  if (value instanceof Asset) return "a Pulumi asset"
  if (value instanceof Archive) return "a Pulumi archive"
  if (Array.isArray(value)) return "a list"
  if (typeof value === "object") return "an object"
  // JSON shows a newline or another control character as what it is, on one line.
  const shown = JSON.stringify(value) ?? String(value)
  return shown.length > 100 ? `${shown.slice(0, 97)}…` : shown
}

function listChoices(choices: readonly string[]): string {
  return choices.map(choice => JSON.stringify(choice)).join(", ")
}

function unknownName(name: string, known: readonly string[], path: string): string {
  const owner = path === "" ? "this resource" : path
  const shown = JSON.stringify(name)
  const near = known.find(candidate => candidate.toLowerCase() === name.toLowerCase()) ?? nearest(name, known)
  const hint = near ? `did you mean ${near}?` : `it has ${known.join(", ")}`
  return `${owner} has no property ${shown}; ${hint}`
}

function nearest(name: string, known: readonly string[]): string | undefined {
  const ranked = known.map(candidate => ({ candidate, distance: editDistance(name, candidate) }))
  ranked.sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  return best && best.distance <= Math.ceil(name.length * 0.4) ? best.candidate : undefined
}

/** Levenshtein's distance; names are short, so the plain table is enough. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substitution, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
