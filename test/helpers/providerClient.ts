import * as grpc from "@grpc/grpc-js"
import type plugins from "@pulumi/pulumi/proto/plugin_pb.js"
import services from "@pulumi/pulumi/proto/provider_grpc_pb.js"
import messages from "@pulumi/pulumi/proto/provider_pb.js"
import statuses from "@pulumi/pulumi/proto/status_pb.js"
import pbEmpty from "google-protobuf/google/protobuf/empty_pb.js"
import { decodeProperties, encodeProperties } from "../../provider/rpc/codec.ts"
import type { Properties } from "../../provider/rpc/value.ts"

export interface DiffAnswer {
  readonly changes: "none" | "some"
  /** path -> "add" | "delete" | "update", with "-replace" where it replaces. */
  readonly detail: { readonly [path: string]: string }
  readonly inputDiff: { readonly [path: string]: boolean }
  readonly replaces: readonly string[]
  readonly diffs: readonly string[]
  readonly deleteBeforeReplace: boolean
}

/** What ErrorResourceInitFailed carried, as the engine reads it from a failed call. */
export interface SavedState {
  readonly id: string
  readonly inputs: Properties
  readonly outputs: Properties
  readonly reasons: readonly string[]
}

const kinds = ["add", "add-replace", "delete", "delete-replace", "update", "update-replace"]

/** Speaks to a provider as Pulumi's engine does, message for message. */
export class ProviderClient {
  readonly #client: services.ResourceProviderClient

  constructor(port: number) {
    this.#client = new services.ResourceProviderClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure())
  }

  close(): void {
    this.#client.close()
  }

  async handshake(engineAddress: string): Promise<messages.ProviderHandshakeResponse.AsObject> {
    const request = new messages.ProviderHandshakeRequest()
    request.setEngineAddress(engineAddress)
    return (await this.#call<messages.ProviderHandshakeResponse>("handshake", request)).toObject()
  }

  async configure(config: Properties = {}): Promise<messages.ConfigureResponse.AsObject> {
    const request = new messages.ConfigureRequest()
    request.setArgs(encodeProperties(config))
    request.setAcceptsecrets(true)
    return (await this.#call<messages.ConfigureResponse>("configure", request)).toObject()
  }

  async checkConfig(news: Properties) {
    return this.#checked("checkConfig", "urn:pulumi:s::p::pulumi:providers:xen::default", news)
  }

  async diffConfig(olds: Properties, news: Properties): Promise<DiffAnswer> {
    const request = new messages.DiffRequest()
    request.setOldInputs(encodeProperties(olds))
    request.setOlds(encodeProperties(olds))
    request.setNews(encodeProperties(news))
    return diffAnswer(await this.#call<messages.DiffResponse>("diffConfig", request))
  }

  async schema(): Promise<string> {
    return (
      await this.#call<messages.GetSchemaResponse>("getSchema", new messages.GetSchemaRequest())
    ).getSchema()
  }

  async pluginVersion(): Promise<string> {
    return (await this.#call<plugins.PluginInfo>("getPluginInfo", new pbEmpty.Empty())).getVersion()
  }

  async check(urn: string, news: Properties, olds: Properties = {}) {
    return this.#checked("check", urn, news, olds)
  }

  async diff(
    urn: string,
    id: string,
    state: { inputs: Properties; outputs: Properties },
    news: Properties,
    ignoreChanges: string[] = [],
  ): Promise<DiffAnswer> {
    const request = new messages.DiffRequest()
    request.setUrn(urn)
    request.setId(id)
    request.setOldInputs(encodeProperties(state.inputs))
    request.setOlds(encodeProperties(state.outputs))
    request.setNews(encodeProperties(news))
    request.setIgnorechangesList(ignoreChanges)
    return diffAnswer(await this.#call<messages.DiffResponse>("diff", request))
  }

  async create(urn: string, inputs: Properties, { preview = false, timeout = 0 } = {}) {
    const request = new messages.CreateRequest()
    request.setUrn(urn)
    request.setProperties(encodeProperties(inputs))
    request.setPreview(preview)
    request.setTimeout(timeout)
    const response = await this.#call<messages.CreateResponse>("create", request)
    return { id: response.getId(), outputs: decodeProperties(response.getProperties()) }
  }

  async update(
    urn: string,
    id: string,
    state: { inputs: Properties; outputs: Properties },
    news: Properties,
    { preview = false, timeout = 0 } = {},
  ): Promise<Properties> {
    const request = new messages.UpdateRequest()
    request.setUrn(urn)
    request.setId(id)
    request.setOldInputs(encodeProperties(state.inputs))
    request.setOlds(encodeProperties(state.outputs))
    request.setNews(encodeProperties(news))
    request.setPreview(preview)
    request.setTimeout(timeout)
    return decodeProperties((await this.#call<messages.UpdateResponse>("update", request)).getProperties())
  }

  /** Without a state this is what `pulumi import` sends. */
  async read(
    urn: string,
    id: string,
    state: { inputs: Properties; outputs: Properties } = { inputs: {}, outputs: {} },
  ) {
    const request = new messages.ReadRequest()
    request.setUrn(urn)
    request.setId(id)
    request.setInputs(encodeProperties(state.inputs))
    request.setProperties(encodeProperties(state.outputs))
    const response = await this.#call<messages.ReadResponse>("read", request)
    return {
      id: response.getId(),
      inputs: decodeProperties(response.getInputs()),
      outputs: decodeProperties(response.getProperties()),
    }
  }

  async delete(
    urn: string,
    id: string,
    state: { inputs: Properties; outputs: Properties },
    { timeout = 0 } = {},
  ): Promise<void> {
    const request = new messages.DeleteRequest()
    request.setUrn(urn)
    request.setId(id)
    request.setOldInputs(encodeProperties(state.inputs))
    request.setProperties(encodeProperties(state.outputs))
    request.setTimeout(timeout)
    await this.#call("delete", request)
  }

  async invoke(token: string, args: Properties) {
    const request = new messages.InvokeRequest()
    request.setTok(token)
    request.setArgs(encodeProperties(args))
    const response = await this.#call<messages.InvokeResponse>("invoke", request)
    return {
      outputs: decodeProperties(response.getReturn()),
      failures: response.getFailuresList().map(item => item.toObject()),
    }
  }

  async cancel(): Promise<void> {
    await this.#call("cancel", new pbEmpty.Empty())
  }

  async #checked(method: string, urn: string, news: Properties, olds: Properties = {}) {
    const request = new messages.CheckRequest()
    request.setUrn(urn)
    request.setNews(encodeProperties(news))
    request.setOlds(encodeProperties(olds))
    const response = await this.#call<messages.CheckResponse>(method, request)
    return {
      inputs: decodeProperties(response.getInputs()),
      failures: response.getFailuresList().map(item => item.toObject()),
    }
  }

  #call<Response>(method: string, request: unknown): Promise<Response> {
    const client = this.#client as unknown as Record<
      string,
      (request: unknown, done: (error: grpc.ServiceError | null, response: Response) => void) => void
    >
    return new Promise((resolve, reject) => {
      client[method]!(request, (error, response) => (error ? reject(error) : resolve(response)))
    })
  }
}

function diffAnswer(response: messages.DiffResponse): DiffAnswer {
  const entries = response.getDetaileddiffMap().getEntryList() as [string, messages.PropertyDiff][]
  const detail = [...response.getDetaileddiffMap().entries()] as [string, messages.PropertyDiff][]
  if (entries.length !== detail.length) throw new Error("a path appears twice in the detailed diff")
  return {
    changes: response.getChanges() === messages.DiffResponse.DiffChanges.DIFF_SOME ? "some" : "none",
    detail: Object.fromEntries(detail.map(([path, item]) => [path, kinds[item.getKind()]!])),
    inputDiff: Object.fromEntries(detail.map(([path, item]) => [path, item.getInputdiff()])),
    replaces: response.getReplacesList(),
    diffs: response.getDiffsList(),
    deleteBeforeReplace: response.getDeletebeforereplace(),
  }
}

/** The half-made resource that a failed call asks the engine to save, if it does. */
export function savedState(error: unknown): SavedState | undefined {
  const [bytes] = (error as grpc.ServiceError).metadata?.get("grpc-status-details-bin") ?? []
  if (bytes === undefined) return undefined
  const [packed] = statuses.Status.deserializeBinary(bytes as Buffer).getDetailsList()
  const detail = messages.ErrorResourceInitFailed.deserializeBinary(packed!.getValue_asU8())
  return {
    id: detail.getId(),
    inputs: decodeProperties(detail.getInputs()),
    outputs: decodeProperties(detail.getProperties()),
    reasons: detail.getReasonsList(),
  }
}
