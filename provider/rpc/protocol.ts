import * as grpc from "@grpc/grpc-js"
import plugins from "@pulumi/pulumi/proto/plugin_pb.js"
import messages from "@pulumi/pulumi/proto/provider_pb.js"
import pbEmpty from "google-protobuf/google/protobuf/empty_pb.js"
import { checkInputs } from "./check.ts"
import { decodeProperties, encodeProperties } from "./codec.ts"
import { diffInputs } from "./diff.ts"
import { Engine } from "./engine.ts"
import { failure, messageOf } from "./errors.ts"
import { Lifecycle } from "./lifecycle.ts"
import { StoppedError } from "./operation.ts"
import { Redactor } from "./redact.ts"
import type { Registry } from "./resource.ts"
import { checkFailure, checkResponse, diffResponse } from "./responses.ts"
import { unquoteConfig } from "./unquote.ts"
import type { Properties } from "./value.ts"
import { toCode } from "./view.ts"

type Handlers = grpc.UntypedServiceImplementation

/**
 * Pulumi's provider protocol (proto/pulumi/provider.proto), read from messages and answered in messages. What a
 * resource does in each call is `Lifecycle`'s.
 */
export class Protocol {
  readonly #registry: Registry
  readonly #schema: () => Promise<string>
  readonly #redactor = new Redactor()
  readonly #stopping = new AbortController()
  readonly #lifecycle: Lifecycle
  readonly #underWay = new Set<Promise<void>>()
  #engine: Engine | undefined

  constructor(registry: Registry, schema: () => Promise<string>, engineAddress: string | undefined) {
    this.#registry = registry
    this.#schema = schema
    if (engineAddress !== undefined) this.#engine = new Engine(engineAddress)
    this.#lifecycle = new Lifecycle(registry, {
      redactor: this.#redactor,
      stopping: this.#stopping.signal,
      engine: () => this.#engine,
    })
  }

  /** Stops every operation under way; later ones fail at once. */
  cancel(reason: string): void {
    this.#stopping.abort(new StoppedError(reason))
  }

  /** Fulfilled when every call that came has its answer. */
  async answered(): Promise<void> {
    await Promise.all(this.#underWay)
  }

  async close(): Promise<void> {
    await this.#registry.close()
    await this.#engine?.close()
  }

  handlers(): Handlers {
    const unary = this.#unary.bind(this)
    return {
      handshake: unary(this.#handshake),
      attach: unary(this.#attach),
      getPluginInfo: unary(async () => {
        const info = new plugins.PluginInfo()
        info.setVersion(this.#registry.version)
        return info
      }),
      getSchema: unary(async () => {
        const response = new messages.GetSchemaResponse()
        response.setSchema(await this.#schema())
        return response
      }),
      checkConfig: unary(this.#checkConfig),
      diffConfig: unary(this.#diffConfig),
      configure: unary(this.#configure),
      cancel: unary(async () => {
        this.cancel("stopped on request")
        return new pbEmpty.Empty()
      }),
      check: unary(this.#check),
      diff: unary(this.#diff),
      create: unary(this.#create),
      read: unary(this.#read),
      update: unary(this.#update),
      delete: unary(this.#delete),
      invoke: unary(this.#invoke),
      parameterize: unsupported("Parameterize"),
      call: unsupported("Call"),
      construct: unsupported("Construct"),
      getMapping: unary(async () => new messages.GetMappingResponse()),
      getMappings: unary(async () => new messages.GetMappingsResponse()),
      list: (call: grpc.ServerWritableStream<unknown, unknown>) => {
        call.emit("error", failure("this provider does not list resources", grpc.status.UNIMPLEMENTED))
      },
    }
  }

  #unary<Request, Response>(
    answer: (this: Protocol, request: Request) => Promise<Response>,
  ): grpc.handleUnaryCall<Request, Response> {
    return (call, callback) => {
      const answered = answer.call(this, call.request).then(
        async response => {
          await this.#engine?.flush()
          callback(null, response)
        },
        async thrown => {
          await this.#engine?.flush()
          const known = thrown instanceof Error && "code" in thrown && "metadata" in thrown
          callback(known ? (thrown as grpc.ServiceError) : failure(this.#redactor.redact(messageOf(thrown))))
        },
      )
      this.#underWay.add(answered)
      void answered.finally(() => this.#underWay.delete(answered))
    }
  }

  async #handshake(request: messages.ProviderHandshakeRequest): Promise<messages.ProviderHandshakeResponse> {
    this.#connectEngine(request.getEngineAddress())
    const response = new messages.ProviderHandshakeResponse()
    response.setAcceptSecrets(true)
    return response
  }

  async #attach(request: plugins.PluginAttach): Promise<pbEmpty.Empty> {
    this.#connectEngine(request.getAddress())
    return new pbEmpty.Empty()
  }

  #connectEngine(address: string): void {
    if (address !== "") this.#engine = new Engine(address)
  }

  async #checkConfig(request: messages.CheckRequest): Promise<messages.CheckResponse> {
    const { version, pluginDownloadURL, ...given } = this.#decode(request.getNews())
    const { inputs, failures } = checkInputs(
      this.#registry.config,
      unquoteConfig(this.#registry.config, given),
    )
    return checkResponse({ ...inputs, version, pluginDownloadURL }, failures)
  }

  async #diffConfig(request: messages.DiffRequest): Promise<messages.DiffResponse> {
    const [olds, news] = [request.getOldInputs() ?? request.getOlds(), request.getNews()].map(struct =>
      unquoteConfig(this.#registry.config, this.#decode(struct)),
    )
    return diffResponse(diffInputs(this.#registry.config, olds!, news!), false)
  }

  async #configure(request: messages.ConfigureRequest): Promise<messages.ConfigureResponse> {
    const { version, pluginDownloadURL, ...given } = this.#decode(request.getArgs())
    const { inputs } = checkInputs(this.#registry.config, unquoteConfig(this.#registry.config, given))
    this.#registry.configure(toCode(this.#registry.config, inputs))
    // Both must say the same: the engine takes the handshake's word where it made one, and this where it did not.
    const response = new messages.ConfigureResponse()
    response.setAcceptsecrets(true)
    response.setSupportspreview(true)
    return response
  }

  async #check(request: messages.CheckRequest): Promise<messages.CheckResponse> {
    const inputs = this.#decode(request.getNews())
    this.#decode(request.getOlds())
    const checked = await this.#lifecycle.check(request.getUrn(), inputs)
    return checkResponse(checked.inputs, checked.failures)
  }

  async #diff(request: messages.DiffRequest): Promise<messages.DiffResponse> {
    const state = this.#state(request.getOldInputs(), request.getOlds())
    const { changes, deleteBeforeReplace } = await this.#lifecycle.diff(
      request.getUrn(),
      state,
      this.#decode(request.getNews()),
      request.getIgnorechangesList(),
    )
    return diffResponse(changes, deleteBeforeReplace)
  }

  async #create(request: messages.CreateRequest): Promise<messages.CreateResponse> {
    const inputs = this.#decode(request.getProperties())
    const created = await this.#lifecycle.create(request.getUrn(), inputs, limits(request))
    const response = new messages.CreateResponse()
    response.setId(created.id)
    response.setProperties(encodeProperties(created.outputs))
    return response
  }

  async #update(request: messages.UpdateRequest): Promise<messages.UpdateResponse> {
    const state = this.#state(request.getOldInputs(), request.getOlds())
    const news = this.#decode(request.getNews())
    const outputs = await this.#lifecycle.update(
      request.getUrn(),
      request.getId(),
      state,
      news,
      limits(request),
    )
    const response = new messages.UpdateResponse()
    response.setProperties(encodeProperties(outputs))
    return response
  }

  async #read(request: messages.ReadRequest): Promise<messages.ReadResponse> {
    const state = this.#state(request.getInputs(), request.getProperties())
    const live = await this.#lifecycle.read(request.getUrn(), request.getId(), state, limits(request))
    const response = new messages.ReadResponse()
    if (live === undefined) return response
    response.setId(live.id)
    response.setInputs(encodeProperties(live.inputs))
    response.setProperties(encodeProperties(live.outputs))
    return response
  }

  async #delete(request: messages.DeleteRequest): Promise<pbEmpty.Empty> {
    const state = this.#state(request.getOldInputs(), request.getProperties())
    await this.#lifecycle.delete(request.getUrn(), request.getId(), state, limits(request))
    return new pbEmpty.Empty()
  }

  async #invoke(request: messages.InvokeRequest): Promise<messages.InvokeResponse> {
    const args = this.#decode(request.getArgs())
    const result = await this.#lifecycle.invoke(request.getTok(), args, request.getPreview())
    const response = new messages.InvokeResponse()
    response.setReturn(encodeProperties(result.outputs))
    response.setFailuresList(result.failures.map(checkFailure))
    return response
  }

  #decode(struct: Parameters<typeof decodeProperties>[0]): Properties {
    const properties = decodeProperties(struct)
    this.#redactor.learn(properties)
    return properties
  }

  #state(inputs: Parameters<typeof decodeProperties>[0], outputs: Parameters<typeof decodeProperties>[0]) {
    return { inputs: this.#decode(inputs), outputs: this.#decode(outputs) }
  }
}

function limits(request: { getTimeout(): number; getPreview?(): boolean }): {
  timeout: number
  preview: boolean
} {
  return { timeout: request.getTimeout() * 1000, preview: request.getPreview?.() ?? false }
}

function unsupported(method: string): grpc.handleUnaryCall<unknown, unknown> {
  return (_call, callback) =>
    callback(failure(`this provider has no use for ${method}`, grpc.status.UNIMPLEMENTED))
}
