import { xenRegistry } from "./registry.ts"
import { serve } from "./rpc/server.ts"

const registry = xenRegistry()
const schema = async (): Promise<string> =>
  JSON.stringify(await (await import("./schema.ts")).packageSchema(registry))
// The engine gives its address as the first argument; a person who starts the provider by hand gives none.
const server = await serve(registry, schema, process.argv[2])
console.log(server.port)

let stopping = false
async function stop(reason: string): Promise<void> {
  if (stopping) return
  stopping = true
  await server.stop(reason)
  process.exit()
}

process.once("SIGINT", () => stop("interrupted"))
process.once("SIGTERM", () => stop("terminated"))

// An engine that was killed says nothing: its child is handed to another parent. A provider that went on alone would
// change hosts that nobody watches.
const parent = process.ppid
setInterval(() => {
  if (process.ppid !== parent) void stop("pulumi is gone")
}, 1000).unref()
