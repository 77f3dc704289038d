import { Secret } from "../secret.ts"
import type { Field, Fields } from "./declare.ts"
import {
  bare,
  containsSecret,
  isProperties,
  mapProperties,
  type Properties,
  unknown,
  type Value,
} from "./value.ts"

/**
 * Properties as a resource's code sees them: declared secrets are `Secret`s, every other value is plain though the
 * user may have made it a secret, and what is unknown or null is absent.
 */
export function toCode(fields: Fields, properties: Properties): PlainProperties {
  const seen: { [name: string]: NonNullable<Value> } = {}
  for (const [name, field] of Object.entries(fields)) {
    const value = fieldToCode(field, properties[name])
    if (value !== undefined) seen[name] = value
  }
  return seen
}

type PlainProperties = { readonly [name: string]: NonNullable<Value> | undefined }

function fieldToCode(field: Field, value: Value | undefined): NonNullable<Value> | undefined {
  if (value === undefined || value === null || value === unknown) return undefined
  if (field.secret) {
    const revealed = bare(value)
    return revealed === unknown || revealed === null ? undefined : new Secret<Value>(revealed as Value)
  }
  if (value instanceof Secret) return fieldToCode(field, value.reveal() as Value)
  const { shape } = field
  if (shape.kind === "object" && isProperties(value)) return toCode(shape.fields, value)
  if (shape.kind === "map" && isProperties(value))
    return mapProperties(value, item => fieldToCode(shape.item, item))
  if (shape.kind === "list" && Array.isArray(value)) {
    return value.map(item => fieldToCode(shape.item, item as Value) as Value)
  }
  return bare(value) ?? undefined
}

/**
 * Puts the secret envelopes of earlier properties around the same places of later ones: a resource's code sees
 * plain values, and what it hands back must not lie in the state more openly than the user gave it.
 */
export function keepSecrecy(earlier: Properties, later: Properties): Properties {
  return mapProperties(later, (value, name) => sealLike(earlier[name], value))
}

function sealLike(earlier: Value | undefined, later: Value | undefined): Value | undefined {
  if (later === undefined || later instanceof Secret) return later
  if (earlier instanceof Secret) return new Secret<Value>(later)
  if (isProperties(earlier) && isProperties(later)) return keepSecrecy(earlier, later)
  if (Array.isArray(earlier) && Array.isArray(later)) {
    return later.map((item, index) => sealLike(earlier[index], item) as Value)
  }
  return later
}

/**
 * What a resource's code made, outputs or computed inputs, for the state: what is declared secret, or is made from an
 * input that the user made secret, is sealed.
 */
export function sealResults(
  fields: Fields,
  inputFields: Fields,
  inputs: Properties,
  results: Properties,
): Properties {
  const essential = Object.keys(inputFields).filter(name => !inputFields[name]!.incidental)
  return mapProperties(results, (value, name) => {
    if (value === undefined || value instanceof Secret) return value
    const field = fields[name]
    const sources = field?.from ?? essential
    const isSecret = field?.secret || sources.some(source => containsSecret(inputs[source]))
    return isSecret ? new Secret<Value>(value) : value
  })
}
