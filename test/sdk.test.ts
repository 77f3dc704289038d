import { fileURLToPath } from "node:url"
import test from "ava"
import ts from "typescript"
import { xenRegistry } from "../provider/registry.ts"
import { packageSchema } from "../provider/schema.ts"

interface Property {
  type?: string
  $ref?: string
  oneOf?: Property[]
  items?: Property
  additionalProperties?: Property
}
interface ObjectSpec {
  properties: { [name: string]: Property }
  required?: string[]
}
const schema = (await packageSchema(xenRegistry())) as {
  provider: { inputProperties: { [name: string]: Property } }
  resources: {
    [token: string]: {
      properties: ObjectSpec["properties"]
      required: string[]
      inputProperties: ObjectSpec["properties"]
      requiredInputs: string[]
    }
  }
  functions: { [token: string]: { inputs: ObjectSpec; outputs: ObjectSpec } }
  types: { [token: string]: ObjectSpec }
}

const index = fileURLToPath(new URL("../sdk/index.ts", import.meta.url))
const program = ts.createProgram([index], {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  allowImportingTsExtensions: true,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  target: ts.ScriptTarget.ESNext,
  exactOptionalPropertyTypes: true,
})
const checker = program.getTypeChecker()
const exported = new Map(
  checker
    .getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(index)!)!)
    .map(symbol => [
      symbol.name,
      symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol,
    ]),
)

/** The SDK's properties of a type as name -> [the schema's word for its type, whether it must be there]. */
function sdkProperties(symbol: ts.Symbol, own: boolean): { [name: string]: [string, boolean] } {
  const type = checker.getDeclaredTypeOfSymbol(symbol)
  const entries = type
    .getProperties()
    .filter(property => !own || property.valueDeclaration?.parent === symbol.valueDeclaration)
    .filter(property => property.valueDeclaration && !ts.isConstructorDeclaration(property.valueDeclaration))
    .map(property => {
      const propertyType = checker.getTypeOfSymbol(property)
      const optional = (property.flags & ts.SymbolFlags.Optional) !== 0 || includesUndefined(propertyType)
      return [property.name, [describe(propertyType), !optional]]
    })
  return Object.fromEntries(entries)
}

function includesUndefined(type: ts.Type): boolean {
  const inner = unwrap(type)
  return inner.isUnion() && inner.types.some(part => part.flags & ts.TypeFlags.Undefined)
}

/** What an `Input<T>` or `Output<T>` is of. An output is an intersection with an OutputInstance<T> in it. */
function unwrap(type: ts.Type): ts.Type {
  if (type.aliasSymbol?.name === "Output" || type.aliasSymbol?.name === "Input")
    return type.aliasTypeArguments![0]!
  const parts = type.isUnionOrIntersection() ? type.types : [type]
  const instances = parts.flatMap(part => (part.isIntersection() ? part.types : [part]))
  const instance = instances.find(part => part.symbol?.name === "OutputInstance")
  return instance ? checker.getTypeArguments(instance as ts.TypeReference)[0]! : type
}

function describe(given: ts.Type): string {
  const inner = unwrap(given)
  if (inner !== given) return describe(inner)
  const type = checker.getNonNullableType(given)
  if (type.flags & ts.TypeFlags.StringLike) return "string"
  if (type.flags & ts.TypeFlags.NumberLike) return "number"
  if (type.flags & ts.TypeFlags.BooleanLike) return "boolean"
  if (checker.isArrayType(type))
    return `list of ${describe(checker.getTypeArguments(type as ts.TypeReference)[0]!)}`
  if (type.isUnion()) return [...new Set(type.types.map(describe))].sort().join(" or ")
  const index = type.getStringIndexType()
  if (index) return `map of ${describe(index)}`
  const name = type.symbol?.name ?? checker.typeToString(type)
  return name.replace(/Args$/, "")
}

function schemaProperties({ properties, required = [] }: ObjectSpec): { [name: string]: [string, boolean] } {
  return Object.fromEntries(
    Object.entries(properties).map(([name, property]) => [
      name,
      [describeSchema(property), required.includes(name)],
    ]),
  )
}

function describeSchema(property: Property): string {
  if (property.$ref) return property.$ref.split(/[:/]/).at(-1)!
  if (property.oneOf) return property.oneOf.map(describeSchema).sort().join(" or ")
  if (property.type === "array") return `list of ${describeSchema(property.items!)}`
  if (property.type === "object") return `map of ${describeSchema(property.additionalProperties!)}`
  return property.type === "integer" ? "number" : property.type!
}

const nameOf = (token: string): string => token.split(":").at(-1)!
const find = (name: string): ts.Symbol => {
  const symbol = exported.get(name)
  if (symbol === undefined) throw new Error(`sdk/index.ts does not export ${name}`)
  return symbol
}

for (const [token, resource] of Object.entries(schema.resources)) {
  const name = nameOf(token)
  test(`the class ${name} has the inputs and outputs of ${token}, property by property`, t => {
    const inputs = { properties: resource.inputProperties, required: resource.requiredInputs }
    t.deepEqual(sdkProperties(find(`${name}Args`), false), schemaProperties(inputs))
    t.deepEqual(sdkProperties(find(name), true), schemaProperties(resource))
    t.true(find(name).valueDeclaration!.getText().includes(`"${token}"`))
  })
}

for (const [token, declared] of Object.entries(schema.functions)) {
  const name = nameOf(token)
  const capitalised = name[0]!.toUpperCase() + name.slice(1)
  test(`the function ${name} takes and gives what ${token} does`, t => {
    t.deepEqual(sdkProperties(find(`${capitalised}Args`), false), schemaProperties(declared.inputs))
    t.deepEqual(sdkProperties(find(`${capitalised}Result`), false), schemaProperties(declared.outputs))
    t.truthy(find(name))
    t.truthy(find(`${name}Output`))
  })
}

for (const [token, type] of Object.entries(schema.types)) {
  // A type that only results have carries no Args in its name.
  const name = exported.has(nameOf(token)) ? nameOf(token) : `${nameOf(token)}Args`
  test(`the type ${name} has the properties of ${token}`, t => {
    t.deepEqual(sdkProperties(find(name), false), schemaProperties(type))
  })
}

test("ProviderArgs has the provider's configuration", t => {
  const inputs = { properties: schema.provider.inputProperties, required: [] }
  t.deepEqual(sdkProperties(find("ProviderArgs"), false), schemaProperties(inputs))
})
