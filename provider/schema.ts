import type { Field, Fields } from "./rpc/declare.ts"
import type { Lazy, Registry } from "./rpc/resource.ts"

/** A part of Pulumi's package schema (https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema/). */
type Spec = { [key: string]: unknown }

function loaded<T>(table: { readonly [token: string]: Lazy<T> }): Promise<[string, T][]> {
  return Promise.all(Object.entries(table).map(async ([token, load]) => [token, await load()] as [string, T]))
}

/** The package's schema, from the same declarations that check inputs. */
export async function packageSchema(registry: Registry): Promise<Spec> {
  const types = new Map<string, Spec>()
  const properties = (fields: Fields): Spec => {
    const entries = Object.entries(fields).map(([name, field]) => [name, propertySpec(field, types)])
    return Object.fromEntries(entries)
  }
  const resources = (await loaded(registry.resources)).map(([token, resource]) => [
    token,
    {
      description: resource.description,
      properties: properties(resource.outputs),
      required: alwaysThere(resource.outputs),
      inputProperties: properties(resource.inputs),
      requiredInputs: mustBeGiven(resource.inputs),
    },
  ])
  const functions = (await loaded(registry.functions)).map(([token, { description, inputs, outputs }]) => [
    token,
    {
      description,
      inputs: { type: "object", properties: properties(inputs), required: mustBeGiven(inputs) },
      outputs: { type: "object", properties: properties(outputs), required: alwaysThere(outputs) },
    },
  ])
  const config = properties(registry.config)
  return {
    name: registry.name,
    version: registry.version,
    description: registry.description,
    // Tokens are package:module:Name, and the module is all of the middle part.
    meta: { moduleFormat: "(.*)" },
    config: { variables: config },
    provider: { description: `How the ${registry.name} provider behaves.`, inputProperties: config },
    resources: Object.fromEntries(resources),
    functions: Object.fromEntries(functions),
    types: Object.fromEntries([...types].sort(([a], [b]) => (a < b ? -1 : 1))),
  }

  function propertySpec(field: Field, known: Map<string, Spec>): Spec {
    const spec: Spec = { ...typeSpec(field, known), description: field.description }
    if (field.default !== undefined && typeof field.default !== "object") spec.default = field.default
    if (field.secret) spec.secret = true
    if (field.replaces) spec.willReplaceOnChanges = true
    return spec
  }

  function typeSpec(field: Field, known: Map<string, Spec>): Spec {
    const { shape } = field
    switch (shape.kind) {
      case "text":
        return { type: "string" }
      case "number":
        return { type: shape.integer ? "integer" : "number" }
      case "boolean":
        return { type: "boolean" }
      case "asset":
        return { $ref: "pulumi.json#/Asset" }
      case "list":
        return { type: "array", items: typeSpec(shape.item, known) }
      case "map":
        return { type: "object", additionalProperties: typeSpec(shape.item, known) }
      case "either":
        return { oneOf: shape.options.flatMap(option => alternatives(typeSpec(option, known))) }
      case "object": {
        const token = `${registry.name}:index:${shape.name}`
        if (!known.has(token)) {
          const type: Spec = { type: "object" }
          known.set(token, type)
          type.properties = properties(shape.fields)
          type.required = mustBeGiven(shape.fields)
        }
        return { $ref: `#/types/${token}` }
      }
    }
  }
}

/** A choice within a choice is one choice. */
function alternatives(spec: Spec): Spec[] {
  return Array.isArray(spec.oneOf) ? spec.oneOf : [spec]
}

/** Inputs that the user has to give. */
function mustBeGiven(fields: Fields): string[] {
  return Object.keys(fields).filter(name => fields[name]!.required && fields[name]!.default === undefined)
}

/** Outputs that every resource of the kind has. */
function alwaysThere(fields: Fields): string[] {
  return Object.keys(fields).filter(name => fields[name]!.required)
}
