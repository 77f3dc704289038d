import { execFile } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import test from "ava"

const root = fileURLToPath(new URL("..", import.meta.url))

/** What a script says, as JSON, that Node runs in the way in which Pulumi runs a program. */
async function preloaded(
  { script, args: more = [], env: also = {} }: Omit<Script, "title" | "says">,
  cache: string,
): Promise<unknown> {
  const args = [
    "--require",
    "./sdk/preload.cjs",
    "--eval",
    `(async () => console.log(JSON.stringify(${script})))()`,
    "--",
    ...more,
  ]
  const { NODE_COMPILE_CACHE: _, ...env } = process.env
  const options = { cwd: root, env: { ...env, ...also, XDG_CACHE_HOME: cache } }
  const { stdout } = await promisify(execFile)(process.execPath, args, options)
  return JSON.parse(stdout)
}

interface Script {
  readonly title: string
  readonly script: string
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly says: (cache: string) => unknown
}

/** Where a promise of Pulumi's was made, and that errors still tell where they were. */
const traces = `(promise => [promise._debugStackTrace.includes("\\n"), new Error().stack.includes("\\n")])(
  (promise => (require("@pulumi/pulumi/runtime/debuggable.js").debuggablePromise(promise, "x"), promise))(
    Promise.resolve()))`
const tracing = `(tracing => (tracing.newSpan("x").end(), [
  "start" in tracing, Object.keys(require.cache).some(path => path.includes("exporter-zipkin"))]))(
  require("@pulumi/pulumi/cmd/run/tracing.js"))`

const scripts: readonly Script[] = [
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
    title: "has no stack trace taken for a promise that settles",
    script: traces,
    says: () => [false, true],
  },
  {
    title: "that PULUMI_DEBUG_PROMISE_LEAKS asks where its promises were made can tell it",
    script: traces,
    env: { PULUMI_DEBUG_PROMISE_LEAKS: "true" },
    says: () => [true, true],
  },
  {
    title: "loads nothing that sends traces",
    script: tracing,
    says: () => [false, false],
  },
  {
    title: "is traced as --tracing says",
    script: tracing,
    args: ["--tracing", "http://127.0.0.1:9"],
    says: () => [true, true],
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

for (const { title, says, ...script } of scripts)
  test(`a program ${title}`, async t => {
    const cache = await mkdtemp(join(tmpdir(), "preload-"))
    t.teardown(() => rm(cache, { recursive: true, force: true }))
    t.deepEqual(await preloaded(script, cache), says(cache))
  })
