import { execFile } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import test from "ava"

const root = fileURLToPath(new URL("..", import.meta.url))

/** What a script says, as JSON, that Node runs in the way in which Pulumi runs a program. */
async function preloaded(script: string, cache: string): Promise<unknown> {
  const args = [
    "--require",
    "./sdk/preload.cjs",
    "--eval",
    `(async () => console.log(JSON.stringify(${script})))()`,
  ]
  const { NODE_COMPILE_CACHE: _, ...env } = process.env
  const options = { cwd: root, env: { ...env, XDG_CACHE_HOME: cache } }
  const { stdout } = await promisify(execFile)(process.execPath, args, options)
  return JSON.parse(stdout)
}

const scripts: readonly { title: string; script: string; says: (cache: string) => unknown }[] = [
  {
    title: "keeps what Node compiled in the provider's cache",
    script: `require("node:module").getCompileCacheDir().split("/pulumi-xen/node/")[0]`,
    says: cache => cache,
  },
  {
    title: "has no stack trace looked up in source maps",
    script: `(before => (require("source-map-support/register"), Error.prepareStackTrace === before))(
      Error.prepareStackTrace)`,
    says: () => true,
  },
  {
    title: "starts without V8's debugger",
    script: `(await require("@pulumi/pulumi/runtime/closure/v8Hooks.js").isInitializedAsync(),
      process.moduleLoadList.includes("NativeModule inspector"))`,
    says: () => false,
  },
  {
    title: "can still make a resource of a function, which starts the debugger",
    script: `[
      (await require("@pulumi/pulumi").runtime.serializeFunction(() => 6 * 7)).text.includes("6 * 7"),
      process.moduleLoadList.includes("NativeModule inspector")]`,
    says: () => [true, true],
  },
]

for (const { title, script, says } of scripts)
  test(`a program ${title}`, async t => {
    const cache = await mkdtemp(join(tmpdir(), "preload-"))
    t.teardown(() => rm(cache, { recursive: true, force: true }))
    t.deepEqual(await preloaded(script, cache), says(cache))
  })
