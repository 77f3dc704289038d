import { createSecretKey, type KeyObject } from "node:crypto"
import type { Client } from "ssh2"

/** What ssh2 keeps of an AES-GCM key; the other ciphers have no such field. */
interface Internals {
  _protocol?: {
    _cipher?: { _encKey?: Buffer | KeyObject }
    _decipher?: { _decipherKey?: Buffer | KeyObject }
  }
}

/**
 * ssh2 starts a cipher for every packet, from the bytes of the key, and more than half of what that costs is Node's
 * making a key object of them. Here it is made once, after each key exchange.
 */
export function keepKeys(client: Client): void {
  client.on("handshake", () => {
    const { _cipher: outbound, _decipher: inbound } = (client as unknown as Internals)._protocol ?? {}
    if (Buffer.isBuffer(outbound?._encKey)) outbound._encKey = createSecretKey(outbound._encKey)
    if (Buffer.isBuffer(inbound?._decipherKey)) inbound._decipherKey = createSecretKey(inbound._decipherKey)
  })
}
