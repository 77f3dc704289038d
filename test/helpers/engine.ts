import * as grpc from "@grpc/grpc-js"
import services from "@pulumi/pulumi/proto/engine_grpc_pb.js"
import type messages from "@pulumi/pulumi/proto/engine_pb.js"
import pbEmpty from "google-protobuf/google/protobuf/empty_pb.js"

export interface LoggedLine {
  readonly severity: "debug" | "info" | "warning" | "error"
  readonly message: string
  readonly urn: string
  readonly ephemeral: boolean
}

const severities = ["debug", "info", "warning", "error"] as const

/** The engine's end of the conversation, as far as a provider talks to it: it keeps every line. */
export class FakeEngine {
  readonly lines: LoggedLine[] = []
  readonly #server = new grpc.Server()

  static async start(): Promise<FakeEngine & { address: string }> {
    const engine = new FakeEngine()
    engine.#server.addService(services.EngineService, {
      log(
        call: grpc.ServerUnaryCall<messages.LogRequest, pbEmpty.Empty>,
        callback: grpc.sendUnaryData<pbEmpty.Empty>,
      ) {
        engine.lines.push({
          severity: severities[call.request.getSeverity()]!,
          message: call.request.getMessage(),
          urn: call.request.getUrn(),
          ephemeral: call.request.getEphemeral(),
        })
        callback(null, new pbEmpty.Empty())
      },
    })
    const port = await new Promise<number>((resolve, reject) => {
      engine.#server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      )
    })
    return Object.assign(engine, { address: `127.0.0.1:${port}` })
  }

  stop(): void {
    this.#server.forceShutdown()
  }
}
