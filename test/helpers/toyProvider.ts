import { setTimeout as sleep } from "node:timers/promises"
import {
  choice,
  type Fields,
  flag,
  incidental,
  integer,
  list,
  madeFrom,
  map,
  object,
  optional,
  replaces,
  secret,
  text,
  withDefault,
} from "../../provider/rpc/declare.ts"
import { defineFunction, defineResource, type Registry } from "../../provider/rpc/resource.ts"
import { serve } from "../../provider/rpc/server.ts"
import { FakeEngine } from "./engine.ts"
import { ProviderClient } from "./providerClient.ts"

const inputs = {
  name: replaces(text("what it is called", { pattern: /[a-z]+/, says: "small letters" })),
  size: withDefault(integer("how many", { min: 1, max: 9 }), 3),
  colour: optional(choice("of the outside", ["red", "blue"])),
  labels: optional(map("words to find it by", text("word"))),
  shelf: optional(object("where it stands", "Shelf", { row: integer("row"), room: replaces(text("room")) })),
  layers: optional(list("from below", text("layer"))),
  key: optional(secret(text("opens it"))),
  reach: optional(
    incidental(
      object("how to get there", "Reach", { road: text("road"), toll: optional(secret(text("toll"))) }),
    ),
  ),
  wayIn: optional(madeFrom(["reach"], text("computed from how to get there"))),
  /** What the toy does: "fail" and so on. */
  mood: optional(text("how it behaves")),
  drifted: optional(flag("whether it drifts")),
} as const satisfies Fields

const outputs = {
  label: text("name and size"),
  mark: madeFrom(["key"], text("made from the key")),
  number: madeFrom([], integer("made from nothing")),
} as const satisfies Fields

/** What the toys' code was called with, in order. */
export interface Call {
  readonly method: string
  readonly inputs: unknown
  readonly preview?: boolean
  readonly timeout?: number
}

/** A small provider of boxes, to speak the protocol with. */
export function toyRegistry(calls: Call[] = []): Registry & { configured: unknown[]; closed: () => boolean } {
  const configured: unknown[] = []
  let closed = false
  const box = defineResource({
    description: "A box.",
    inputs,
    outputs,
    deleteBeforeReplace: true,
    async check(given, context) {
      calls.push({ method: "check", inputs: { ...given, unknown: [...context.unknown] } })
      if (given.name === "taken")
        return { failures: [{ property: "name", reason: "name is taken; choose another" }] }
      if (given.mood !== "compute") return {}
      return { inputs: { colour: "blue" as const, wayIn: `by ${given.reach?.road}` } }
    },
    drift: state =>
      state.inputs.drifted ? [{ path: "number", kind: "update", replaces: false, input: false }] : [],
    async preview(given, context) {
      calls.push({ method: "preview", inputs: given, preview: context.preview })
      return given.name === undefined ? { number: 7 } : { label: `${given.name}-${given.size}`, number: 7 }
    },
    async create(given, context) {
      calls.push({ method: "create", inputs: given, preview: context.preview, timeout: context.timeout })
      const made = { label: `${given.name}-${given.size}`, mark: `mark of ${given.key?.reveal()}`, number: 7 }
      if (given.mood === "fail")
        throw new Error(`box ${given.name} does not close; its key is ${given.key?.reveal()}`)
      if (given.mood === "bug") (undefined as unknown as { x: number }).x.toFixed()
      if (given.mood === "half") {
        context.exists(given.name, { number: 7, mark: "half" })
        throw new Error("the lid is missing")
      }
      if (given.mood === "wait") {
        context.log("info", "waiting")
        await sleep(60_000, undefined, { signal: context.signal })
      }
      if (given.mood === "talk") {
        context.progress(`1 of 2, with ${given.key?.reveal()}`)
        context.log("warning", "mind the edge")
        context.progress("2 of 2")
      }
      return { id: given.name, outputs: made }
    },
    async read(id, state, context) {
      calls.push({ method: "read", inputs: state, preview: context.preview })
      if (id === "gone") return undefined
      return { inputs: { ...state.inputs, size: 9 }, outputs: { ...state.outputs, number: 8 } }
    },
    async import(id) {
      if (id === "gone") return undefined
      return {
        id: `imported-${id}`,
        inputs: { name: id, size: 2, key: new (await import("../../provider/secret.ts")).Secret("found") },
        outputs: { label: `${id}-2`, mark: "found", number: 1 },
      }
    },
    async update(id, state, given, context) {
      calls.push({ method: "update", inputs: { state, given, id }, preview: context.preview })
      if (given.mood === "half") {
        context.exists(id, { label: "between" })
        throw new Error("stuck between two sizes")
      }
      return { label: `${given.name}-${given.size}`, mark: "updated", number: 9 }
    },
    async delete(id, state) {
      calls.push({ method: "delete", inputs: { id, state } })
    },
  })
  const measure = defineFunction({
    description: "Measures a text.",
    inputs: { word: text("word"), hush: optional(secret(text("hush"))) },
    outputs: { length: madeFrom(["word"], integer("length")) },
    async call({ word }) {
      return { length: word.length }
    },
  })
  return {
    name: "toy",
    version: "1.2.3",
    description: "Boxes.",
    config: {
      room: optional(text("room")),
      tries: optional(integer("tries")),
      pass: optional(secret(text("pass"))),
    },
    resources: { "toy:index:Box": async () => box },
    functions: { "toy:index:measure": async () => measure },
    configured,
    closed: () => closed,
    configure: config => void configured.push(config),
    close: async () => {
      closed = true
    },
  }
}

export const boxUrn = "urn:pulumi:stack::project::toy:index:Box::b"

/** The toy provider served over gRPC, an engine that it logs to, and a client that speaks as the engine does. */
export async function startToy() {
  const calls: Call[] = []
  const registry = toyRegistry(calls)
  const engine = await FakeEngine.start()
  const server = await serve(registry, async () => '{"name":"toy"}')
  const client = new ProviderClient(server.port)
  const handshake = await client.handshake(engine.address)
  const stop = async () => {
    client.close()
    await server.stop("the test is over")
    engine.stop()
  }
  return { calls, registry, engine, server, client, handshake, stop }
}
