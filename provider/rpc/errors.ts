import * as grpc from "@grpc/grpc-js"
import messages from "@pulumi/pulumi/proto/provider_pb.js"
import statuses from "@pulumi/pulumi/proto/status_pb.js"
import pbAny from "google-protobuf/google/protobuf/any_pb.js"
import { encodeProperties } from "./codec.ts"
import type { Properties } from "./value.ts"

/** An operation that failed after something came to exist: what is there, for the state to keep. */
export interface PartialState {
  readonly id: string
  readonly inputs: Properties
  readonly outputs: Properties
  readonly reasons: readonly string[]
}

/** The gRPC error of an ordinary failure: the message is the sentence that the user reads. */
export function failure(message: string, code: grpc.status = grpc.status.UNKNOWN): grpc.ServiceError {
  return Object.assign(new Error(message), { code, details: message, metadata: new grpc.Metadata() })
}

/**
 * The gRPC error that makes the engine save a half-made resource: an ErrorResourceInitFailed in the status
 * details (sdk/go/common/resource/plugin/provider_plugin.go, parseError).
 */
export function partialFailure(state: PartialState): grpc.ServiceError {
  const detail = new messages.ErrorResourceInitFailed()
  detail.setId(state.id)
  detail.setProperties(encodeProperties(state.outputs))
  detail.setInputs(encodeProperties(state.inputs))
  detail.setReasonsList([...state.reasons])

  const packed = new pbAny.Any()
  packed.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed")
  const message = state.reasons.join("; ")
  const status = new statuses.Status()
  status.setCode(grpc.status.UNKNOWN)
  status.setMessage(message)
  status.addDetails(packed)

  const error = failure(message)
  error.metadata.add("grpc-status-details-bin", Buffer.from(status.serializeBinary()))
  return error
}

/** Whatever was thrown, as one message. Only our own errors are sentences; of a program's fault the stack helps. */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  const isBug =
    thrown instanceof TypeError || thrown instanceof ReferenceError || thrown instanceof RangeError
  return isBug ? `a fault in the provider itself: ${thrown.stack}` : thrown.message
}
