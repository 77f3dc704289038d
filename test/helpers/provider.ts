import type * as grpc from "@grpc/grpc-js"
import { xenRegistry } from "../../provider/registry.ts"
import { serve } from "../../provider/rpc/server.ts"
import type { Properties } from "../../provider/rpc/value.ts"
import { FakeEngine } from "./engine.ts"
import { ProviderClient, type SavedState, savedState } from "./providerClient.ts"

/** What an operation left: a state, or a sentence and perhaps the state that it asked to be saved. */
export type Made = { id: string; inputs: Properties; outputs: Properties }
export type Failed = { says: string; saved: SavedState | undefined }

/** The provider in this process, spoken to as the engine does. */
export class ProviderUnderTest implements AsyncDisposable {
  readonly client: ProviderClient
  readonly engine: FakeEngine & { address: string }
  readonly #stop: () => Promise<void>

  private constructor(
    client: ProviderClient,
    engine: FakeEngine & { address: string },
    stop: () => Promise<void>,
  ) {
    this.client = client
    this.engine = engine
    this.#stop = stop
  }

  static async start(): Promise<ProviderUnderTest> {
    const engine = await FakeEngine.start()
    const server = await serve(xenRegistry(), async () => "{}")
    const client = new ProviderClient(server.port)
    await client.handshake(engine.address)
    return new ProviderUnderTest(client, engine, () => server.stop("the tests are over"))
  }

  /** Check and create; a check that fails is an error with its reasons. */
  async create(urn: string, given: Properties): Promise<Made> {
    const inputs = await this.check(urn, given)
    return { inputs, ...(await this.client.create(urn, inputs)) }
  }

  async check(urn: string, given: Properties): Promise<Properties> {
    const { inputs, failures } = await this.client.check(urn, given)
    if (failures.length > 0) throw new Error(failures.map(({ reason }) => reason).join("\n"))
    return inputs
  }

  async update(urn: string, state: Made, given: Properties): Promise<Made> {
    const inputs = await this.check(urn, given)
    return { id: state.id, inputs, outputs: await this.client.update(urn, state.id, state, inputs) }
  }

  /** The lines that a preview of a creation logs. */
  async preview(urn: string, given: Properties): Promise<string[]> {
    const before = this.engine.lines.length
    await this.client.create(urn, await this.check(urn, given), { preview: true })
    return this.engine.lines.slice(before).map(({ message }) => message)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close()
    await this.#stop()
    this.engine.stop()
  }
}

/** The failure of what must fail. */
export async function failureOf(promise: Promise<unknown>): Promise<Failed> {
  try {
    await promise
  } catch (error) {
    return { says: (error as grpc.ServiceError).details ?? String(error), saved: savedState(error) }
  }
  throw new Error("it did not fail")
}
