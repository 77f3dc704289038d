import { createHash } from "node:crypto"

/** The text is no OpenPGP public key. */
export class KeyFormatError extends Error {
  override readonly name = "KeyFormatError"
}

/**
 * The fingerprint of an ASCII-armoured OpenPGP public key, in upper-case hex (RFC 9580, section 5.5.4): of
 * version 4 keys SHA-1, of version 6 keys SHA-256. The key is checked here, before it is sent to a host, so that
 * no host needs gpg.
 */
export function keyFingerprint(armoured: string): string {
  const block = /-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n([^-]*)-----END/.exec(armoured)?.[1]
  if (block === undefined) throw new KeyFormatError("it has no PGP PUBLIC KEY BLOCK")
  // Headers end at the first empty line; the checksum line begins with "=".
  const body = block.replace(/^(?:[^\n:]+: [^\n]*\n)*\r?\n/, "").replace(/^=.*$/m, "")
  const packet = firstPacket(Buffer.from(body, "base64"))
  const version = packet[0]
  if (version === 4)
    return hash("sha1", Buffer.from([0x99, packet.length >> 8, packet.length & 0xff]), packet)
  if (version === 6) {
    const head = Buffer.alloc(5)
    head[0] = 0x9b
    head.writeUInt32BE(packet.length, 1)
    return hash("sha256", head, packet)
  }
  throw new KeyFormatError(`its version is ${version}; 4 and 6 are supported`)
}

function hash(algorithm: string, head: Uint8Array, body: Uint8Array): string {
  return createHash(algorithm).update(head).update(body).digest("hex").toUpperCase()
}

const PUBLIC_KEY = 6

/** Body of the first packet, which must be a public key (RFC 9580, section 4.2). */
function firstPacket(bytes: Buffer): Buffer {
  const head = bytes[0] ?? 0
  if ((head & 0x80) === 0) throw new KeyFormatError("it does not begin with an OpenPGP packet")
  const modern = (head & 0x40) !== 0
  const tag = modern ? head & 0x3f : (head >> 2) & 0xf
  if (tag !== PUBLIC_KEY) throw new KeyFormatError("it does not begin with a public key")
  const [start, length] = modern ? modernLength(bytes) : legacyLength(bytes, head & 3)
  const body = bytes.subarray(start, start + length)
  if (body.length !== length || length === 0) throw new KeyFormatError("it is cut off")
  return body
}

function modernLength(bytes: Buffer): [start: number, length: number] {
  const first = bytes[1] ?? 0
  if (first < 192) return [2, first]
  if (first < 224) return [3, ((first - 192) << 8) + (bytes[2] ?? 0) + 192]
  if (first === 255 && bytes.length >= 6) return [6, bytes.readUInt32BE(2)]
  throw new KeyFormatError("its first packet has no plain length")
}

function legacyLength(bytes: Buffer, type: number): [start: number, length: number] {
  if (type === 0) return [2, bytes[1] ?? 0]
  if (type === 1 && bytes.length >= 3) return [3, bytes.readUInt16BE(1)]
  if (type === 2 && bytes.length >= 5) return [5, bytes.readUInt32BE(1)]
  throw new KeyFormatError("its first packet has no plain length")
}

/** Fingerprints are written in groups and in either case. */
export function sameFingerprint(one: string, other: string): boolean {
  const plain = (text: string) => text.replace(/[\s:]|^0x/g, "").toUpperCase()
  return plain(one) !== "" && plain(one) === plain(other)
}
