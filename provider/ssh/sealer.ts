import { createCipheriv, createSecretKey, type KeyObject, randomFillSync } from "node:crypto"
import type { Client } from "ssh2"

/** What ssh2 has to encrypt outgoing packets with AES-GCM; its other ciphers lack some of the fields. */
interface GcmCipher {
  outSeqno: number
  _encSSLName: "aes-128-gcm" | "aes-256-gcm"
  _encKey: Buffer
  _encIV: Buffer
  _onWrite(bytes: Buffer): void
}

/** The same for incoming ones, which are few and small here. */
interface GcmDecipher {
  _decipherKey: Buffer | KeyObject
}

interface Protocol {
  _cipher: GcmCipher | Sealer
  _decipher: GcmDecipher
}

/**
 * Has a client encrypt in less memory, from the next key exchange on. ssh2 works as before where it has a cipher of
 * another kind, such as its native one, or names things in another way.
 */
export function sealFrugally(client: Client): void {
  client.on("handshake", () => {
    const protocol = (client as unknown as { _protocol?: Protocol })._protocol
    if (!protocol) return
    if (isGcm(protocol._cipher)) protocol._cipher = new Sealer(protocol._cipher)
    const { _decipher } = protocol
    if (Buffer.isBuffer(_decipher?._decipherKey))
      _decipher._decipherKey = createSecretKey(_decipher._decipherKey)
  })
}

function isGcm(cipher: Protocol["_cipher"]): cipher is GcmCipher {
  const { _encSSLName, _encKey, _encIV, _onWrite, outSeqno } = cipher as GcmCipher
  return (
    /^aes-(128|256)-gcm$/.test(_encSSLName) &&
    Buffer.isBuffer(_encKey) &&
    _encIV?.length === 12 &&
    typeof _onWrite === "function" &&
    typeof outSeqno === "number"
  )
}

/** Of the packet's length, which is not encrypted but authenticated. */
const LENGTH = 4
const BLOCK = 16
/** What ssh2 sends in the very turn in which it has made it: the data of a channel. */
const LARGE = 16 * 1024

/**
 * AES-GCM of SSH packets (RFC 5647, OpenSSH's PROTOCOL 1.6) with what ssh2's own has not: the key is made an object
 * once and not for each packet, and large packets are put together in one place. Fresh memory for each is garbage at
 * once, for which the collector goes through the whole heap again and again.
 */
export class Sealer {
  /** ssh2 reads it at the next key exchange, and resets it (strict key exchange). */
  outSeqno: number
  readonly #algorithm: GcmCipher["_encSSLName"]
  readonly #key: KeyObject
  readonly #iv: Buffer
  readonly #write: (bytes: Buffer) => void
  readonly #large = Buffer.allocUnsafeSlow(36 * 1024)
  #freed = false

  constructor(cipher: GcmCipher) {
    this.outSeqno = cipher.outSeqno
    this.#algorithm = cipher._encSSLName
    this.#key = createSecretKey(cipher._encKey)
    this.#iv = cipher._encIV
    this.#write = cipher._onWrite
  }

  /** A packet (RFC 4253 section 6) with its lengths and its padding; the payload's place begins at byte 5. */
  allocPacket(payloadLength: number): Buffer {
    const rest = BLOCK - ((1 + payloadLength) % BLOCK)
    const padding = rest < 4 ? rest + BLOCK : rest
    const length = LENGTH + 1 + payloadLength + padding
    const kept = length > LARGE && length <= this.#large.length
    const packet = kept ? this.#large.subarray(0, length) : Buffer.allocUnsafe(length)
    packet.writeUInt32BE(length - LENGTH)
    packet[LENGTH] = padding
    return randomFillSync(packet, length - padding, padding)
  }

  encrypt(packet: Buffer): void {
    if (this.#freed) return
    const length = Buffer.from(packet.subarray(0, LENGTH))
    const cipher = createCipheriv(this.#algorithm, this.#key, this.#iv).setAAD(length)
    this.#write(length)
    this.#write(cipher.update(packet.subarray(LENGTH)))
    cipher.final()
    this.#write(cipher.getAuthTag())
    // The last eight bytes count the packets.
    this.#iv.writeBigUInt64BE(BigInt.asUintN(64, this.#iv.readBigUInt64BE(4) + 1n), 4)
    this.outSeqno = (this.outSeqno + 1) >>> 0
  }

  free(): void {
    this.#freed = true
  }
}
