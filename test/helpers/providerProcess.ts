import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { FakeEngine } from "./engine.ts"
import { ProviderClient } from "./providerClient.ts"

const program = fileURLToPath(new URL("../../provider/pulumi-resource-xen", import.meta.url))

/** The provider as a process of its own, as the engine runs it, with an engine that it logs to. */
export async function startProvider(environment: NodeJS.ProcessEnv = {}) {
  const child = spawn(program, [], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  })
  let errors = ""
  child.stderr.on("data", chunk => {
    errors += chunk
  })
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.once("data", line => resolve(Number(line)))
    child.once("exit", code => reject(new Error(`the provider ended with ${code}: ${errors}`)))
  })
  const engine = await FakeEngine.start()
  const client = new ProviderClient(port)
  await client.handshake(engine.address)
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>(done =>
    child.once("exit", (code, signal) => done({ code, signal })),
  )
  const stop = async (signal: NodeJS.Signals = "SIGINT") => {
    client.close()
    child.kill(signal)
    await exited
    engine.stop()
  }
  return { child, client, engine, exited, stop, stderr: () => errors }
}

/** Waits until the provider has said something that matches. */
export async function untilLogged(engine: FakeEngine, pattern: RegExp): Promise<void> {
  while (!engine.lines.some(line => pattern.test(line.message)))
    await new Promise(done => setTimeout(done, 2))
}
