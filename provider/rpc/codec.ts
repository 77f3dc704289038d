import structs from "google-protobuf/google/protobuf/struct_pb.js"
import { Secret } from "../secret.ts"
import { Archive, Asset, childPath, isProperties, type Properties, unknown, type Value } from "./value.ts"

// Pulumi's signatures (sdk/go/common/resource: SigKey, SecretSig, AssetSig, ArchiveSig, UnknownBoolValue and its
// kin). @pulumi/pulumi holds them too, but loading its runtime costs more than the provider's whole start.
const signatureKey = "4dabf18193072939515e22adb298388d"
const secretSignature = "1b47061264138c4ac30d75fd1eb44270"
const assetSignature = "c44067f5952c0a294b673a41bacd8c17"
const archiveSignature = "0def7320c3a5731c473e5ecbe6d01bc7"
const outputSignature = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
const resourceSignature = "5cf8f73096256a8f31e491e813e4eb8e"
/** One sentinel a type of value: boolean, number, string, array, asset, archive, object. */
const unknownSentinels: ReadonlySet<string> = new Set([
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
])
const unknownString = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

/** A value that Pulumi's wire format cannot carry reached the codec: a fault of the provider's own code. */
export class UnencodableError extends Error {
  override name = "UnencodableError"
}

/** Reads a message's properties; a missing Struct is an empty object. */
export function decodeProperties(struct: structs.Struct | undefined): Properties {
  if (struct === undefined) return {}
  const entries: [string, Value][] = []
  struct.getFieldsMap().forEach((value: structs.Value, key: string) => {
    entries.push([key, decodeValue(value)])
  })
  return Object.fromEntries(entries)
}

function decodeValue(value: structs.Value): Value {
  const kinds = structs.Value.KindCase
  switch (value.getKindCase()) {
    case kinds.BOOL_VALUE:
      return value.getBoolValue()
    case kinds.NUMBER_VALUE:
      return value.getNumberValue()
    case kinds.STRING_VALUE: {
      const text = value.getStringValue()
      return unknownSentinels.has(text) ? unknown : text
    }
    case kinds.LIST_VALUE:
      return value.getListValue()!.getValuesList().map(decodeValue)
    case kinds.STRUCT_VALUE:
      return fromEnvelope(decodeProperties(value.getStructValue()))
    default:
      return null
  }
}

function fromEnvelope(object: Properties): Value {
  const text = (key: string): string | undefined => {
    const value = object[key]
    return typeof value === "string" && value !== "" ? value : undefined
  }
  switch (object[signatureKey]) {
    case secretSignature:
      return new Secret<Value>(object.value ?? null)
    case assetSignature: {
      const path = text("path")
      const uri = text("uri")
      const source = path ? { path } : uri ? { uri } : { text: text("text") ?? "" }
      return new Asset(source, text("hash"))
    }
    case archiveSignature: {
      const path = text("path")
      const uri = text("uri")
      const assets = isProperties(object.assets) ? (object.assets as { [name: string]: Asset | Archive }) : {}
      return new Archive(path ? { path } : uri ? { uri } : { assets }, text("hash"))
    }
    case outputSignature: {
      const value = "value" in object ? (object.value ?? null) : unknown
      return object.secret === true ? new Secret<Value>(value) : value
    }
    case resourceSignature:
      return object.id ?? object.urn ?? null
    default:
      return object
  }
}

/** Writes properties into a message; `undefined` is left out. Throws `UnencodableError`. */
export function encodeProperties(properties: Properties, path = ""): structs.Struct {
  const struct = new structs.Struct()
  const fields = struct.getFieldsMap()
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined) continue
    // google-protobuf keeps a map's entries in a plain object, where this one key would vanish without a word.
    if (key === "__proto__")
      throw new UnencodableError(`${childPath(path, key)} has a name that Pulumi cannot carry`)
    fields.set(key, encodeValue(value, childPath(path, key)))
  }
  return struct
}

function encodeValue(value: Value, path: string): structs.Value {
  const encoded = new structs.Value()
  if (value === null) encoded.setNullValue(structs.NullValue.NULL_VALUE)
  else if (value === unknown) encoded.setStringValue(unknownString)
  else if (typeof value === "boolean") encoded.setBoolValue(value)
  else if (typeof value === "number") encoded.setNumberValue(value)
  else if (typeof value === "string") encoded.setStringValue(value)
  else if (Array.isArray(value)) {
    const list = new structs.ListValue()
    list.setValuesList(value.map((item, index) => encodeValue(item ?? null, childPath(path, index))))
    encoded.setListValue(list)
  } else {
    const object = toEnvelope(value as object)
    if (object === undefined)
      throw new UnencodableError(`${path} holds a ${describe(value)}, which Pulumi cannot carry`)
    encoded.setStructValue(encodeProperties(object, path))
  }
  return encoded
}

function toEnvelope(value: object): Properties | undefined {
  if (value instanceof Secret) return { [signatureKey]: secretSignature, value: value.reveal() as Value }
  if (value instanceof Asset) return { [signatureKey]: assetSignature, ...value.source, hash: value.hash }
  if (value instanceof Archive) return { [signatureKey]: archiveSignature, ...value.source, hash: value.hash }
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null ? (value as Properties) : undefined
}

function describe(value: unknown): string {
  return typeof value === "object" && value !== null ? value.constructor.name : typeof value
}
