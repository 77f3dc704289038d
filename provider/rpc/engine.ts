import * as grpc from "@grpc/grpc-js"
import services from "@pulumi/pulumi/proto/engine_grpc_pb.js"
import messages from "@pulumi/pulumi/proto/engine_pb.js"
import { clientOptions } from "./options.ts"
import type { Severity } from "./resource.ts"

const severities = {
  debug: messages.LogSeverity.DEBUG,
  info: messages.LogSeverity.INFO,
  warning: messages.LogSeverity.WARNING,
  error: messages.LogSeverity.ERROR,
}

/** The engine's side of the conversation: the lines and the status display of `pulumi up`. */
export class Engine {
  readonly #client: services.EngineClient
  /** Lines are sent one after the other: the engine shows them in the order of arrival. */
  #sent: Promise<void> = Promise.resolve()

  /** `address` is `127.0.0.1:PORT`, as the engine gives it in the handshake or as the first argument. */
  constructor(address: string) {
    this.#client = new services.EngineClient(address, grpc.credentials.createInsecure(), clientOptions)
  }

  /** An ephemeral message is the status line of the resource, replaced by the next. */
  log(
    severity: Severity,
    message: string,
    { urn, ephemeral = false }: { urn: string; ephemeral?: boolean },
  ): void {
    const request = new messages.LogRequest()
    request.setSeverity(severities[severity])
    request.setMessage(message)
    request.setUrn(urn)
    request.setEphemeral(ephemeral)
    // An engine that is gone cannot show anything; the operation itself is what finds that out.
    this.#sent = this.#sent.then(() => new Promise(done => this.#client.log(request, () => done())))
  }

  /** Resolves when all lines so far have arrived: before the answer that they belong to. */
  flush(): Promise<void> {
    return this.#sent
  }

  async close(): Promise<void> {
    await this.flush()
    this.#client.close()
  }
}
