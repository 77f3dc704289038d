/**
 * grpc-js refuses messages above 4 MB unless told otherwise. 400 MB is what Pulumi's own language hosts allow
 * (@pulumi/pulumi/runtime/settings.js, maxRPCMessageSize).
 */
const maxMessageSize = 1024 * 1024 * 400

export const clientOptions = {
  "grpc.max_receive_message_length": maxMessageSize,
  "grpc.max_send_message_length": maxMessageSize,
}
export const serverOptions = clientOptions
