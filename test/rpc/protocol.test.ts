import type * as grpc from "@grpc/grpc-js"
import test, { type ExecutionContext } from "ava"
import { bare, type Properties, unknown, type Value } from "../../provider/rpc/value.ts"
import { Secret } from "../../provider/secret.ts"
import { savedState } from "../helpers/providerClient.ts"
import { boxUrn, startToy } from "../helpers/toyProvider.ts"

async function toy(t: ExecutionContext) {
  const started = await startToy()
  t.teardown(started.stop)
  return started
}

const box = (inputs: Properties = {}): Properties => ({ name: "chest", size: 3, ...inputs })
const state = (inputs: Properties = {}, outputs: Properties = {}) => ({
  inputs: box(inputs),
  outputs: { label: "chest-3", mark: "m", number: 7, ...outputs },
})

test("handshake and configure say the same: secrets yes, resources and outputs no", async t => {
  const { handshake, client } = await toy(t)
  const configured = await client.configure()
  t.like(handshake, { acceptSecrets: true, acceptResources: false, acceptOutputs: false })
  t.like(configured, {
    acceptsecrets: true,
    acceptresources: false,
    acceptoutputs: false,
    supportspreview: true,
  })
})

test("the schema and the version are the registry's", async t => {
  const { client } = await toy(t)
  t.is(await client.schema(), '{"name":"toy"}')
  t.is(await client.pluginVersion(), "1.2.3")
})

test("the configuration is checked, read from its JSON texts, and handed over before any resource", async t => {
  const { client, registry } = await toy(t)
  const wrong = await client.checkConfig({ tries: "many", rooom: "a" })
  t.deepEqual(
    wrong.failures.map(({ property }) => property),
    ["tries", "rooom"],
  )
  t.regex(wrong.failures[1]!.reason, /did you mean room\?/)
  const { inputs, failures } = await client.checkConfig({ tries: "4", pass: "hush", version: "1.2.3" })
  t.deepEqual(failures, [])
  t.true(inputs.pass instanceof Secret)
  await client.configure({ tries: "4", room: "7", version: "1.2.3" })
  t.deepEqual(registry.configured, [{ tries: 4, room: "7" }])
})

test("a changed configuration is an update of the provider and never replaces it", async t => {
  const { client } = await toy(t)
  t.like(await client.diffConfig({ tries: "4" }, { tries: "5" }), { changes: "some", replaces: [] })
  t.like(await client.diffConfig({ tries: "4" }, { tries: "4" }), { changes: "none" })
})

test("check fills in defaults and seals what is declared secret though the program gave it openly", async t => {
  const { client } = await toy(t)
  const { inputs, failures } = await client.check(boxUrn, {
    name: "chest",
    key: "hush",
    reach: { road: "north", toll: "coin" },
  })
  t.deepEqual(failures, [])
  t.is(inputs.size, 3)
  t.is((inputs.key as Secret).reveal(), "hush")
  t.is(((inputs.reach as Properties).toll as Secret).reveal(), "coin")
  t.is((inputs.reach as Properties).road, "north")
})

test("check seals an address with a password in it wherever it stands, and no other text", async t => {
  const { client } = await toy(t)
  const address = "https://anna:hunter2@example.org"
  const sealed = new Secret<Value>(address)
  const given = {
    labels: { a: address, b: "https://example.org" },
    layers: ["ssh://root@example.org", address],
  }
  const { inputs, failures } = await client.check(boxUrn, box({ mood: address, ...given }))
  t.deepEqual(failures, [])
  t.deepEqual(inputs.mood, sealed)
  t.deepEqual(inputs.labels, { a: sealed, b: "https://example.org" })
  t.deepEqual(inputs.layers, ["ssh://root@example.org", sealed])
  // What was written before stays as it is: no change.
  t.like(
    await client.diff(boxUrn, "1", { inputs: box(given), outputs: {} }, box({ ...inputs, mood: null })),
    {
      changes: "none",
    },
  )
})

const wrongInputs: [title: string, inputs: Properties, property: string, reason: RegExp][] = [
  ["a missing input", { size: 3 }, "name", /^name is missing: what it is called$/],
  [
    "a text against its rule",
    box({ name: "Chest" }),
    "name",
    /^name must be small letters; name is "Chest"$/,
  ],
  [
    "a text with a newline",
    box({ name: "chest\n" }),
    "name",
    /^name must be small letters; name is "chest\\n"$/,
  ],
  [
    "a number out of range",
    box({ size: 10 }),
    "size",
    /^size must be a whole number from 1 to 9; size is 10$/,
  ],
  ["a fraction for a whole number", box({ size: 1.5 }), "size", /whole number from 1 to 9; size is 1\.5$/],
  ["a text for a number", box({ size: "3" }), "size", /whole number from 1 to 9; size is "3"$/],
  [
    "a choice that is none",
    box({ colour: "green" }),
    "colour",
    /^colour must be one of "red", "blue"; colour is "green"$/,
  ],
  [
    "a nested value",
    box({ shelf: { row: "x", room: "a" } }),
    "shelf.row",
    /^shelf\.row must be a whole number/,
  ],
  ["a nested missing value", box({ shelf: { row: 1 } }), "shelf.room", /^shelf\.room is missing/],
  ["a list's item", box({ layers: ["a", 1] }), "layers[1]", /^layers\[1\] must be a text; layers\[1\] is 1$/],
  ["a map's item", box({ labels: { "a.b": 1 } }), 'labels["a.b"]', /must be a text/],
  ["a map that is a list", box({ labels: ["a"] }), "labels", /^labels must be a map; labels is a list$/],
  ["a misspelt name", box({ colr: "red" }), "colr", /did you mean colour\?$/],
  ["a name in another case", box({ Colour: "red" }), "Colour", /did you mean colour\?$/],
  ["a name that is nothing like any", box({ zzzzzzzz: 1 }), "zzzzzzzz", /it has name, size, colour/],
]
for (const [title, inputs, property, reason] of wrongInputs) {
  test(`${title} is one failure that names the property and what was seen`, async t => {
    const { client } = await toy(t)
    const { failures } = await client.check(boxUrn, inputs)
    t.is(failures.length, 1)
    t.is(failures[0]!.property, property)
    t.regex(failures[0]!.reason, reason)
  })
}

test("the failure of a secret input does not show it, not even where it is nested or of the wrong type", async t => {
  const { client } = await toy(t)
  const { failures } = await client.check(boxUrn, {
    name: new Secret<Value>("HUSHHUSH"),
    size: 3,
    key: 123456,
    reach: new Secret<Value>({ road: 987654, toll: ["HUSHHUSH"] }),
  })
  t.deepEqual(failures.map(({ property }) => property).sort(), ["key", "name", "reach.road", "reach.toll"])
  t.notRegex(JSON.stringify(failures), /HUSHHUSH|123456|987654/)
})

test("a resource's own check runs when the declaration holds, sees what is unknown, and may set inputs", async t => {
  const { client, calls } = await toy(t)
  t.like(await client.check(boxUrn, box({ name: "taken" })), {
    failures: [{ property: "name", reason: "name is taken; choose another" }],
  })
  const { inputs } = await client.check(boxUrn, box({ mood: "compute", name: unknown, layers: [unknown] }))
  t.is(inputs.colour, "blue")
  t.is(inputs.name, unknown)
  t.deepEqual((calls.at(-1)!.inputs as { unknown: string[] }).unknown, ["name", "layers"])
})

test("what a check computes from a secret input is secret", async t => {
  const { client } = await toy(t)
  const { inputs } = await client.check(boxUrn, box({ mood: new Secret<Value>("compute") }))
  t.true(inputs.colour instanceof Secret)
})

test("what a check computes from named inputs is secret when one of them holds a secret, and then only", async t => {
  const { client } = await toy(t)
  const reach = { road: "A1", toll: new Secret<Value>("5") }
  const closed = await client.check(boxUrn, box({ mood: "compute", reach }))
  t.deepEqual([closed.inputs.colour, closed.inputs.wayIn], ["blue", new Secret<Value>("by A1")])
  const open = await client.check(boxUrn, box({ mood: new Secret<Value>("compute"), reach: { road: "A1" } }))
  t.deepEqual([open.inputs.colour, open.inputs.wayIn], [new Secret<Value>("blue"), "by A1"])
})

const changes: [title: string, olds: Properties, news: Properties, detail: { [path: string]: string }][] = [
  ["nothing", {}, {}, {}],
  ["a size", {}, { size: 4 }, { size: "update" }],
  ["a name", {}, { name: "trunk" }, { name: "update-replace" }],
  ["a label that comes", { labels: { a: "1" } }, { labels: { a: "1", b: "2" } }, { "labels.b": "add" }],
  ["a label that goes", { labels: { a: "1", b: "2" } }, { labels: { a: "1" } }, { "labels.b": "delete" }],
  ["labels where there were none", {}, { labels: { a: "1" } }, { labels: "add" }],
  [
    "a nested value",
    { shelf: { row: 1, room: "a" } },
    { shelf: { row: 2, room: "a" } },
    { "shelf.row": "update" },
  ],
  [
    "a nested value that replaces",
    { shelf: { row: 1, room: "a" } },
    { shelf: { row: 1, room: "b" } },
    { "shelf.room": "update-replace" },
  ],
  ["an item of a list", { layers: ["a", "b"] }, { layers: ["a", "c"] }, { "layers[1]": "update" }],
  ["a shorter list", { layers: ["a", "b"] }, { layers: ["a"] }, { "layers[1]": "delete" }],
  ["how it is reached", { reach: { road: "north" } }, { reach: { road: "south" } }, {}],
  ["a secret", { key: new Secret<Value>("a") }, { key: new Secret<Value>("b") }, { key: "update" }],
  ["only the secrecy of a value", { colour: "red" }, { colour: new Secret<Value>("red") }, {}],
  ["null for an absent value", {}, { colour: null }, {}],
  ["a value that is yet unknown", {}, { size: unknown }, { size: "update" }],
  ["drift of an output", { drifted: true }, { drifted: true }, { number: "update" }],
]
for (const [title, olds, news, detail] of changes) {
  test(`a diff of ${title} has the path and kind of just that`, async t => {
    const { client } = await toy(t)
    const answer = await client.diff(boxUrn, "chest", state(olds), box(news))
    t.deepEqual(answer.detail, detail)
    t.is(answer.changes, Object.keys(detail).length === 0 ? "none" : "some")
    const replacing = Object.values(detail).some(kind => kind.endsWith("-replace"))
    t.is(answer.replaces.length > 0, replacing)
    t.is(answer.deleteBeforeReplace, replacing)
  })
}

test("a diff tells changes of inputs from those of outputs, and names their top-level properties", async t => {
  const { client } = await toy(t)
  const olds = state({ drifted: true, shelf: { row: 1, room: "a" } })
  const answer = await client.diff(
    boxUrn,
    "chest",
    olds,
    box({ drifted: true, shelf: { row: 2, room: "a" } }),
  )
  t.deepEqual(answer.inputDiff, { "shelf.row": true, number: false })
  t.deepEqual(answer.diffs, ["shelf", "number"])
})

test("ignored changes are left out with everything inside them", async t => {
  const { client } = await toy(t)
  const olds = state({ shelf: { row: 1, room: "a" } })
  const news = box({ shelf: { row: 2, room: "b" }, size: 4 })
  t.deepEqual((await client.diff(boxUrn, "chest", olds, news, ["shelf"])).detail, { size: "update" })
  t.deepEqual((await client.diff(boxUrn, "chest", olds, news, ["shelf.row", "size"])).detail, {
    "shelf.room": "update-replace",
  })
})

test("a preview of a create changes nothing and gives the outputs that are known", async t => {
  const { client, calls } = await toy(t)
  t.deepEqual((await client.create(boxUrn, box(), { preview: true })).outputs, {
    label: "chest-3",
    number: 7,
  })
  const later = await client.create(boxUrn, box({ name: unknown }), { preview: true })
  t.deepEqual(later, { id: "", outputs: { number: 7 } })
  t.deepEqual(new Set(calls.map(call => call.method)), new Set(["preview"]))
})

test("create gets plain values, declared secrets as Secrets, and its outputs are sealed by what they are made from", async t => {
  const { client, calls } = await toy(t)
  const { id, outputs } = await client.create(boxUrn, box({ key: new Secret<Value>("hush") }))
  t.is(id, "chest")
  t.is((outputs.mark as Secret).reveal(), "mark of hush")
  t.true(
    outputs.label instanceof Secret,
    "label does not say what it is made from, so it is made from the key too",
  )
  t.is(outputs.number, 7)
  t.true((calls[0]!.inputs as { key: unknown }).key instanceof Secret)
})

test("an output made from an input that only the user made secret is secret", async t => {
  const { client, calls } = await toy(t)
  const { outputs } = await client.create(boxUrn, box({ colour: new Secret<Value>("red") }))
  t.is((calls[0]!.inputs as { colour: unknown }).colour, "red")
  t.true(outputs.label instanceof Secret)
  t.false(outputs.mark instanceof Secret)
  const open = await client.create(boxUrn, box({ reach: { road: "n", toll: new Secret<Value>("coin") } }))
  t.is(open.outputs.label, "chest-3", "how it is reached is no part of what it is")
})

test("a failed create is one sentence, and a secret in it is struck out", async t => {
  const { client } = await toy(t)
  const error = await t.throwsAsync(
    client.create(boxUrn, box({ mood: "fail", key: new Secret<Value>("hushhush") })),
  )
  t.is((error as grpc.ServiceError).details, "box chest does not close; its key is [secret]")
  t.is(savedState(error), undefined)
})

test("a fault in the provider's own code says so", async t => {
  const { client } = await toy(t)
  const error = await t.throwsAsync(client.create(boxUrn, box({ mood: "bug" })))
  t.regex((error as grpc.ServiceError).details, /^a fault in the provider itself: TypeError/)
})

test("a create that fails half-way saves what exists, sealed like any other state", async t => {
  const { client } = await toy(t)
  const inputs = box({ mood: "half", key: new Secret<Value>("hush") })
  const error = await t.throwsAsync(client.create(boxUrn, inputs))
  const saved = savedState(error)!
  t.is(saved.id, "chest")
  t.deepEqual(saved.reasons, ["the lid is missing"])
  t.deepEqual(bare(saved.inputs), bare(inputs))
  t.true(saved.inputs.key instanceof Secret)
  t.true(saved.outputs.mark instanceof Secret)
  t.is(saved.outputs.number, 7)
})

test("an update that fails half-way saves the new inputs, so that the next run goes on from there", async t => {
  const { client } = await toy(t)
  const error = await t.throwsAsync(client.update(boxUrn, "chest", state(), box({ size: 5, mood: "half" })))
  const saved = savedState(error)!
  t.like(saved, { id: "chest", reasons: ["stuck between two sizes"], outputs: { label: "between" } })
  t.is(saved.inputs.size, 5)
})

test("update gets the old state and the new inputs; its preview changes nothing", async t => {
  const { client, calls } = await toy(t)
  const news = box({ size: 5 })
  const preview = await client.update(boxUrn, "chest", state(), news, { preview: true })
  t.deepEqual(preview, { label: "chest-5", number: 7 })
  const outputs = await client.update(boxUrn, "chest", state(), news)
  t.deepEqual(outputs, { label: "chest-5", mark: "updated", number: 9 })
  t.deepEqual(
    calls.map(call => call.method),
    ["preview", "update"],
  )
  t.like(calls[1]!.inputs, { id: "chest", given: { size: 5 }, state: { inputs: { size: 3 } } })
})

test("read gives the live state and seals again what was sealed", async t => {
  const { client } = await toy(t)
  const olds = state({
    key: new Secret<Value>("hush"),
    colour: new Secret<Value>("red"),
    labels: { a: new Secret<Value>("b") },
  })
  const live = await client.read(boxUrn, "chest", olds)
  t.is(live.id, "chest")
  t.is(live.inputs.size, 9)
  t.true(live.inputs.key instanceof Secret)
  t.true(live.inputs.colour instanceof Secret)
  t.true((live.inputs.labels as Properties).a instanceof Secret)
  t.is(live.outputs.number, 8)
})

test("a resource that is gone is read as an empty id", async t => {
  const { client } = await toy(t)
  t.is((await client.read(boxUrn, "gone", state())).id, "")
  t.is((await client.read(boxUrn, "gone")).id, "")
})

test("import gives inputs and outputs of what was found, with declared secrets sealed", async t => {
  const { client } = await toy(t)
  const found = await client.read(boxUrn, "chest")
  t.is(found.id, "imported-chest")
  t.like(found.inputs, { name: "chest", size: 2 })
  t.is((found.inputs.key as Secret).reveal(), "found")
  t.true(found.outputs.mark instanceof Secret)
})

test("delete gets the inputs last recorded", async t => {
  const { client, calls } = await toy(t)
  await client.delete(boxUrn, "chest", state({ reach: { road: "south" } }))
  t.like(calls[0], {
    method: "delete",
    inputs: { id: "chest", state: { inputs: { reach: { road: "south" } } } },
  })
})

test("a function answers, and says which argument is wrong", async t => {
  const { client } = await toy(t)
  t.deepEqual(await client.invoke("toy:index:measure", { word: "four" }), {
    outputs: { length: 4 },
    failures: [],
  })
  const sealed = await client.invoke("toy:index:measure", { word: new Secret<Value>("four") })
  t.true(sealed.outputs.length instanceof Secret)
  t.like(await client.invoke("toy:index:measure", {}), { failures: [{ property: "word" }] })
  const error = await t.throwsAsync(client.invoke("toy:index:nothing", {}))
  t.is((error as grpc.ServiceError).details, "toy has no function toy:index:nothing")
})

test("a type that the provider does not have is said by name", async t => {
  const { client } = await toy(t)
  const error = await t.throwsAsync(client.create("urn:pulumi:s::p::toy:index:Bag::b", {}))
  t.is((error as grpc.ServiceError).details, "toy has no resource toy:index:Bag")
})

test("progress is ephemeral, log lines stay, both arrive in order before the answer, and neither shows a secret", async t => {
  const { client, engine } = await toy(t)
  await client.create(boxUrn, box({ mood: "talk", key: new Secret<Value>("hushhush") }))
  t.deepEqual(engine.lines, [
    { severity: "info", message: "1 of 2, with [secret]", urn: boxUrn, ephemeral: true },
    { severity: "warning", message: "mind the edge", urn: boxUrn, ephemeral: false },
    { severity: "info", message: "2 of 2", urn: boxUrn, ephemeral: true },
  ])
})

test("cancel aborts the operation under way through its signal, and refuses later ones", async t => {
  const { client, engine } = await toy(t)
  const waiting = t.throwsAsync(client.create(boxUrn, box({ mood: "wait" })))
  while (engine.lines.length === 0) await new Promise(done => setTimeout(done, 5))
  await client.cancel()
  t.regex(((await waiting) as grpc.ServiceError).details, /^stopped on request/)
  const later = await t.throwsAsync(client.create(boxUrn, box()))
  t.is((later as grpc.ServiceError).details, "stopped on request")
})

test("an operation's timeout is the program's when it sets one, and aborts the operation with a sentence", async t => {
  const { client, calls } = await toy(t)
  const error = await t.throwsAsync(client.create(boxUrn, box({ mood: "wait" }), { timeout: 1 }))
  t.regex(
    (error as grpc.ServiceError).details,
    /^create did not finish within 1 second \(customTimeouts sets the limit\)/,
  )
  await client.create(boxUrn, box())
  t.deepEqual(
    calls.map(call => call.timeout),
    [1000, 600_000],
  )
})
