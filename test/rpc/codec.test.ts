import test from "ava"
import fc from "fast-check"
import structs from "google-protobuf/google/protobuf/struct_pb.js"
import { decodeProperties, encodeProperties, UnencodableError } from "../../provider/rpc/codec.ts"
import { Archive, Asset, bare, type Properties, unknown, type Value } from "../../provider/rpc/value.ts"
import { Secret } from "../../provider/secret.ts"

const signatures = new Set(["4dabf18193072939515e22adb298388d"])
const key = fc.string({ unit: "binary" }).filter(text => !signatures.has(text) && text !== "__proto__")
const assetArbitrary = fc
  .tuple(
    fc.oneof(
      fc.record({ path: fc.string({ minLength: 1 }) }),
      fc.record({ text: fc.string() }),
      fc.record({ uri: fc.webUrl() }),
    ),
    fc.option(fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 64, maxLength: 64 }), {
      nil: undefined,
    }),
  )
  .map(([source, hash]) => new Asset(source as Asset["source"], hash))

const { value: anyValue } = fc.letrec<{ value: Value; properties: Properties }>(tie => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constant(null),
    fc.boolean(),
    fc.double(),
    fc.integer(),
    fc.string({ unit: "binary" }),
    fc.constant(unknown),
    assetArbitrary,
    assetArbitrary.map(asset => new Archive({ assets: { one: asset } })),
    fc.webUrl().map(uri => new Archive({ uri })),
    tie("value").map(value => new Secret<Value>(value)),
    fc.array(tie("value")),
    tie("properties"),
  ),
  properties: fc.dictionary(key, tie("value")),
}))

/** Secrets compare by what they hold; their own text tells nothing. */
function shown(value: unknown): unknown {
  if (value instanceof Secret) return { secret: shown(value.reveal()) }
  if (value instanceof Asset || value instanceof Archive)
    return { [value.constructor.name]: shown({ ...value }) }
  if (Array.isArray(value)) return value.map(shown)
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined)
    return entries
      .map(([name, item]) => [name, shown(item)])
      .sort(([a], [b]) => ((a as string) < (b as string) ? -1 : 1))
  }
  return Object.is(value, -0) ? "-0" : value
}

test("whatever is encoded comes back the same from the wire", t => {
  fc.assert(
    fc.property(fc.dictionary(key, anyValue), properties => {
      const wire = encodeProperties(properties).serializeBinary()
      const back = decodeProperties(structs.Struct.deserializeBinary(wire))
      const sort = (value: unknown) =>
        (shown(value) as [string, unknown][]).sort(([a], [b]) => (a < b ? -1 : 1))
      t.deepEqual(sort(back), sort(properties))
    }),
    { numRuns: 2000 },
  )
})

test("a property that is undefined is not sent, and a missing message has no properties", t => {
  t.deepEqual(decodeProperties(encodeProperties({ a: undefined, b: 1 })), { b: 1 })
  t.deepEqual(decodeProperties(undefined), {})
})

test("a property called __proto__ is refused, because the protobuf library would lose it", t => {
  const properties = JSON.parse('{"outer": {"__proto__": {"polluted": true}}}') as Properties
  t.throws(() => encodeProperties(properties), {
    instanceOf: UnencodableError,
    message: /^outer\.__proto__ /,
  })
  t.is(({} as { polluted?: boolean }).polluted, undefined)
})

const sentinels = {
  boolean: "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  number: "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  text: "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  list: "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  asset: "030794c1-ac77-496b-92df-f27374a8bd58",
  archive: "e48ece36-62e2-4504-bad9-02848725956a",
  object: "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
}
for (const [kind, sentinel] of Object.entries(sentinels)) {
  test(`the engine's sentinel of an unknown ${kind} is read as unknown`, t => {
    t.is(decodeProperties(encodeProperties({ value: sentinel })).value, unknown)
  })
}

test("an output value of the engine is its value, sealed where it says so, and unknown where it has none", t => {
  const output = (fields: Properties) => ({
    "4dabf18193072939515e22adb298388d": "d0e6a833031e9bbcd3f4e8bde6ca49a4",
    ...fields,
  })
  const back = decodeProperties(
    encodeProperties({
      plain: output({ value: 7 }),
      sealed: output({ value: "hush", secret: true }),
      later: output({}),
      sealedLater: output({ secret: true }),
    }),
  )
  t.is(back.plain, 7)
  t.is((back.sealed as Secret).reveal(), "hush")
  t.is(back.later, unknown)
  t.is((back.sealedLater as Secret<Value>).reveal(), unknown)
})

const unencodable: [string, unknown][] = [
  ["a Date", new Date()],
  ["a Map", new Map()],
  ["a function", () => 1],
  ["a bigint", 1n],
]
for (const [name, value] of unencodable) {
  test(`${name} is refused with the path it stands at, and not sent as something else`, t => {
    const error = t.throws(() => encodeProperties({ outer: [{ inner: value as Value }] }), {
      instanceOf: UnencodableError,
    })
    t.regex(error.message, /^outer\[0\]\.inner holds a /)
  })
}

test("bare takes the envelopes away at every depth", t => {
  const sealed = { list: [new Secret<Value>({ inner: new Secret<Value>("x") })] }
  t.deepEqual(bare(sealed), { list: [{ inner: "x" }] })
})
