import type { Client } from "ssh2"

type GlobalRequest = (protocol: Protocol, name: string, wantReply: boolean, data: unknown) => void

interface Protocol {
  _handlers: { GLOBAL_REQUEST?: GlobalRequest }
  requestSuccess(): void
}

/** With it OpenSSH tells, after authentication, all host keys that it has: PROTOCOL 2.5. */
const KEYS = "hostkeys-00@openssh.com"

/**
 * Has a client not ask for proofs of the other host keys that a server tells of. ssh2 always does, for listeners of
 * its event `hostkeys`; nobody listens here, where the key that the connection was made with is the one that counts.
 * Each proof is a signature for the host and a verification for this machine, and there are servers that end the
 * connection over the question. ssh2 works as before where it names things in another way.
 */
export function askNoProofs(client: Client): void {
  client.once("handshake", () => {
    const protocol = (client as unknown as { _protocol?: Protocol })._protocol
    const handle = protocol?._handlers?.GLOBAL_REQUEST
    if (!protocol || typeof handle !== "function" || typeof protocol.requestSuccess !== "function") return
    protocol._handlers.GLOBAL_REQUEST = (from, name, wantReply, data) => {
      if (name !== KEYS) handle(from, name, wantReply, data)
      else if (wantReply) protocol.requestSuccess()
    }
  })
}
