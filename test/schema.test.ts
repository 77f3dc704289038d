import { execFile } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import test from "ava"
import { xenRegistry } from "../provider/registry.ts"
import { packageSchema } from "../provider/schema.ts"
import { toyRegistry } from "./helpers/toyProvider.ts"

const run = promisify(execFile)

test("pulumi itself finds nothing wrong with the schema", async t => {
  const folder = await mkdtemp(join(tmpdir(), "schema-"))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, "schema.json")
  await writeFile(file, JSON.stringify(await packageSchema(xenRegistry())))
  const { stdout, stderr } = await run("npx", ["pulumi", "schema", "check", file], {
    env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "1" },
  })
  t.notRegex(stdout + stderr, /error|warning/i)
})

test("an input's declaration is its schema: type, description, default, secrecy, replacement", async t => {
  const schema = (await packageSchema(toyRegistry())) as {
    resources: {
      [token: string]: {
        inputProperties: object
        requiredInputs: string[]
        required: string[]
        properties: object
      }
    }
    types: { [token: string]: object }
    functions: { [token: string]: object }
  }
  const box = schema.resources["toy:index:Box"]!
  t.like(box.inputProperties, {
    name: { type: "string", description: "what it is called", willReplaceOnChanges: true },
    size: { type: "integer", default: 3 },
    labels: { type: "object", additionalProperties: { type: "string" } },
    shelf: { $ref: "#/types/toy:index:Shelf" },
    layers: { type: "array", items: { type: "string" } },
    key: { type: "string", secret: true },
  })
  t.deepEqual(box.requiredInputs, ["name"], "an input with a default need not be given")
  t.deepEqual(box.required, ["label", "mark", "number"])
  t.like(schema.types["toy:index:Shelf"], { type: "object", required: ["row", "room"] })
  t.like(schema.types["toy:index:Reach"], { properties: { toll: { secret: true } } })
  t.like(schema.functions["toy:index:measure"], { inputs: { required: ["word"] } })
})
