import { checkInputs, type Failure } from "./check.ts"
import { type Change, diffInputs } from "./diff.ts"
import type { Engine } from "./engine.ts"
import { failure, partialFailure } from "./errors.ts"
import { Operation } from "./operation.ts"
import type { Redactor } from "./redact.ts"
import type { Registry, Resource, State } from "./resource.ts"
import { containsUnknown, type Properties } from "./value.ts"
import { keepSecrecy, sealResults, toCode } from "./view.ts"

interface Surroundings {
  readonly redactor: Redactor
  readonly stopping: AbortSignal
  readonly engine: () => Engine | undefined
}

interface Limits {
  /** Milliseconds; 0 is the resource's default. */
  readonly timeout: number
  readonly preview: boolean
}

type WireState = State<Properties, Properties>

const defaultMinutes = 10
/** A preview's checks and a function's question are waited for by a person. */
const questionMinutes = 5

/** What happens to a resource in each call: its code is called with plain values, its answers are sealed again. */
export class Lifecycle {
  readonly #registry: Registry
  readonly #surroundings: Surroundings

  constructor(registry: Registry, surroundings: Surroundings) {
    this.#registry = registry
    this.#surroundings = surroundings
  }

  async check(urn: string, given: Properties): Promise<{ inputs: Properties; failures: readonly Failure[] }> {
    const resource = await this.#resource(urn)
    const declared = checkInputs(resource.inputs, given)
    this.#surroundings.redactor.learn(declared.inputs)
    if (declared.failures.length > 0 || resource.check === undefined) return declared
    return this.#run("check", urn, { timeout: minutes(questionMinutes), preview: false }, async operation => {
      const unknown = new Set(
        Object.keys(declared.inputs).filter(name => containsUnknown(declared.inputs[name])),
      )
      const context = Object.assign(operation, { unknown })
      const result = await resource.check!(toCode(resource.inputs, declared.inputs), context)
      const failures = (result.failures ?? []).map(({ property, reason }) => ({
        property,
        reason: this.#surroundings.redactor.redact(reason),
      }))
      const computed = (result.inputs ?? {}) as Properties
      const sealed = sealResults(resource.inputs, resource.inputs, declared.inputs, computed)
      return { inputs: { ...declared.inputs, ...keepSecrecy(declared.inputs, sealed) }, failures }
    })
  }

  async diff(
    urn: string,
    state: WireState,
    news: Properties,
    ignored: readonly string[],
  ): Promise<{ changes: readonly Change[]; deleteBeforeReplace: boolean }> {
    const resource = await this.#resource(urn)
    const drift = resource.drift?.(this.#stateToCode(resource, state), toCode(resource.inputs, news)) ?? []
    const changes = [...diffInputs(resource.inputs, state.inputs, news), ...drift].filter(
      change => !ignored.some(path => covers(path, change.path)),
    )
    const replaced = changes.some(change => change.replaces)
    return { changes, deleteBeforeReplace: replaced && resource.deleteBeforeReplace === true }
  }

  async create(
    urn: string,
    inputs: Properties,
    limits: Limits,
  ): Promise<{ id: string; outputs: Properties }> {
    const resource = await this.#resource(urn)
    return this.#run("create", urn, limits, async operation => {
      if (limits.preview)
        return { id: "", outputs: await this.#preview(resource, inputs, operation, undefined) }
      const { id, outputs } = await this.#saving(resource, inputs, operation, () =>
        resource.create(toCode(resource.inputs, inputs), operation),
      )
      return { id, outputs: this.#seal(resource, inputs, outputs) }
    })
  }

  async update(
    urn: string,
    id: string,
    state: WireState,
    news: Properties,
    limits: Limits,
  ): Promise<Properties> {
    const resource = await this.#resource(urn)
    return this.#run("update", urn, limits, async operation => {
      if (limits.preview) return this.#preview(resource, news, operation, state)
      if (resource.update === undefined) throw failure(`a ${typeOf(urn)} cannot be updated in place`)
      const outputs = await this.#saving(resource, news, operation, () =>
        resource.update!(id, this.#stateToCode(resource, state), toCode(resource.inputs, news), operation),
      )
      return this.#seal(resource, news, outputs)
    })
  }

  async #preview(
    resource: Resource,
    inputs: Properties,
    operation: Operation,
    state: WireState | undefined,
  ): Promise<Properties> {
    const known = toCode(resource.inputs, inputs)
    const before = state && this.#stateToCode(resource, state)
    const outputs = (await resource.preview?.(known, operation, before)) ?? {}
    return this.#seal(resource, inputs, outputs)
  }

  async read(
    urn: string,
    id: string,
    state: WireState,
    limits: Limits,
  ): Promise<{ id: string; inputs: Properties; outputs: Properties } | undefined> {
    const resource = await this.#resource(urn)
    const isImport = Object.keys(state.inputs).length === 0 && Object.keys(state.outputs).length === 0
    return this.#run("read", urn, limits, async operation => {
      if (isImport) {
        if (resource.import === undefined) throw failure(`a ${typeOf(urn)} cannot be imported`)
        const found = await resource.import(id, operation)
        if (found === undefined) return undefined
        const { inputs } = checkInputs(resource.inputs, found.inputs as Properties)
        return { id: found.id, inputs, outputs: this.#seal(resource, inputs, found.outputs) }
      }
      const live = await resource.read(id, this.#stateToCode(resource, state), operation)
      if (live === undefined) return undefined
      const inputs = keepSecrecy(state.inputs, live.inputs as Properties)
      return { id, inputs, outputs: this.#seal(resource, inputs, live.outputs) }
    })
  }

  async delete(urn: string, id: string, state: WireState, limits: Limits): Promise<void> {
    const resource = await this.#resource(urn)
    await this.#run("delete", urn, limits, operation =>
      resource.delete(id, this.#stateToCode(resource, state), operation),
    )
  }

  async invoke(
    token: string,
    args: Properties,
    preview: boolean,
  ): Promise<{ outputs: Properties; failures: readonly Failure[] }> {
    const called = await this.#registry.functions[token]?.()
    if (called === undefined) throw failure(`${this.#registry.name} has no function ${token}`)
    const { inputs, failures } = checkInputs(called.inputs, args)
    if (failures.length > 0) return { outputs: {}, failures }
    this.#surroundings.redactor.learn(inputs)
    return this.#run("call", "", { timeout: minutes(questionMinutes), preview }, async operation => {
      const outputs = await called.call(toCode(called.inputs, inputs), operation)
      return {
        outputs: sealResults(called.outputs, called.inputs, inputs, outputs as Properties),
        failures: [],
      }
    })
  }

  async #run<T>(
    verb: string,
    urn: string,
    limits: Limits,
    work: (operation: Operation) => Promise<T>,
  ): Promise<T> {
    const fallback = (urn === "" ? undefined : (await this.#resource(urn)).defaultTimeout) ?? defaultMinutes
    const operation = new Operation({
      verb,
      urn,
      preview: limits.preview,
      timeout: limits.timeout || minutes(fallback),
      engine: this.#surroundings.engine(),
      redactor: this.#surroundings.redactor,
      stopping: this.#surroundings.stopping,
    })
    try {
      operation.signal.throwIfAborted()
      return await work(operation)
    } catch (thrown) {
      throw isGrpcError(thrown) ? thrown : failure(operation.explain(thrown))
    } finally {
      operation.end()
    }
  }

  /** When the work fails after something came to exist, the state keeps what exists. */
  async #saving<T>(
    resource: Resource,
    inputs: Properties,
    operation: Operation,
    work: () => Promise<T>,
  ): Promise<T> {
    try {
      return await work()
    } catch (thrown) {
      if (operation.existing === undefined) throw thrown
      const { id, outputs } = operation.existing
      const reasons = [operation.explain(thrown)]
      throw partialFailure({ id, inputs, outputs: this.#seal(resource, inputs, outputs), reasons })
    }
  }

  #seal(resource: Resource, inputs: Properties, outputs: object): Properties {
    return sealResults(resource.outputs, resource.inputs, inputs, outputs as Properties)
  }

  #stateToCode(resource: Resource, state: WireState): WireState {
    return { inputs: toCode(resource.inputs, state.inputs), outputs: toCode(resource.outputs, state.outputs) }
  }

  async #resource(urn: string): Promise<Resource> {
    const type = typeOf(urn)
    const resource = await this.#registry.resources[type]?.()
    if (resource === undefined) throw failure(`${this.#registry.name} has no resource ${type}`)
    return resource
  }
}

const minutes = (count: number): number => count * 60_000

/** `urn:pulumi:stack::project::parent$type::name`: the last type of the third part. */
function typeOf(urn: string): string {
  return urn.split("::")[2]?.split("$").at(-1) ?? urn
}

/** Whether an `ignoreChanges` path names the changed path or something around it. */
function covers(ignored: string, path: string): boolean {
  return path === ignored || path.startsWith(`${ignored}.`) || path.startsWith(`${ignored}[`)
}

function isGrpcError(thrown: unknown): boolean {
  return thrown instanceof Error && "code" in thrown && "metadata" in thrown
}
