import { createHash } from "node:crypto"
import { armour, dearmour, KeyFormatError } from "./armour.ts"

/** A text holds more keys than the one that was compared: whoever imports it would trust them all. */
export class SeveralKeysError extends KeyFormatError {
  override readonly name = "SeveralKeysError"
  readonly fingerprints: readonly string[]

  constructor(fingerprints: readonly string[]) {
    super(`it holds ${fingerprints.length} keys (${fingerprints.join(", ")})`)
    this.fingerprints = fingerprints
  }
}

export interface PublicKey {
  /** Upper-case hex (RFC 9580, section 5.5.4): of version 4 keys SHA-1, of version 6 keys SHA-256. */
  readonly fingerprint: string
  /** The key alone, armoured anew: what stood around it, or was armoured oddly, is not in it. */
  readonly armoured: string
}

/**
 * The one public key in a text, with its subkeys, user ids and signatures. The key is checked here, before it is
 * sent to a host, so that no host needs gpg.
 *
 * @throws SeveralKeysError where there are more, in one block or in several
 * @throws KeyFormatError where there is none, or something beside it
 */
export function readPublicKey(text: string): PublicKey {
  const fingerprints = keyFingerprints(text)
  if (fingerprints.length > 1) throw new SeveralKeysError(fingerprints)
  const [bytes] = dearmour(text) as [Buffer]
  const foreign = packets(bytes).find(({ tag }) => !PARTS.has(tag))
  if (foreign)
    throw new KeyFormatError(`it holds what is no part of a public key (a packet of tag ${foreign.tag})`)
  return { fingerprint: fingerprints[0]!, armoured: armour(bytes) }
}

/** The fingerprint of the one public key in a text; see `readPublicKey`, also for what is thrown. */
export function keyFingerprint(text: string): string {
  return readPublicKey(text).fingerprint
}

/**
 * What goes to a host of a key: the key alone, and nothing of a text that is refused.
 */
export function keyToSend(text: string): string {
  try {
    return readPublicKey(text).armoured
  } catch (error) {
    if (error instanceof KeyFormatError) return ""
    throw error
  }
}

/** The fingerprints of all public keys in a text, at least one. Throws `KeyFormatError` where there is none. */
export function keyFingerprints(text: string): string[] {
  return dearmour(text).flatMap(bytes => {
    const found = packets(bytes)
    if (found[0]?.tag !== PUBLIC_KEY) throw new KeyFormatError("it does not begin with a public key")
    return found.filter(({ tag }) => tag === PUBLIC_KEY).map(({ body }) => fingerprintOf(body))
  })
}

function fingerprintOf(packet: Buffer): string {
  const version = packet[0]
  if (version === 4 && packet.length <= 0xffff)
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
/**
 * Signatures, the key, trust, user ids, subkeys, user attributes, padding (RFC 9580, section 5). Not a compressed
 * packet: gpg imports the keys that are in one.
 */
const PARTS: ReadonlySet<number> = new Set([2, PUBLIC_KEY, 12, 13, 14, 17, 21])

interface Packet {
  readonly tag: number
  readonly body: Buffer
}

/** All packets (RFC 9580, section 4.2), each of which must tell its length. */
function packets(bytes: Buffer): Packet[] {
  const found: Packet[] = []
  for (let rest = bytes; rest.length > 0; ) {
    const head = rest[0]!
    if ((head & 0x80) === 0) throw new KeyFormatError("it is not made of OpenPGP packets")
    const modern = (head & 0x40) !== 0
    const [start, length] = modern ? modernLength(rest) : legacyLength(rest, head & 3)
    const body = rest.subarray(start, start + length)
    if (body.length !== length || length === 0) throw new KeyFormatError("it is cut off")
    found.push({ tag: modern ? head & 0x3f : (head >> 2) & 0xf, body })
    rest = rest.subarray(start + length)
  }
  return found
}

function modernLength(bytes: Buffer): [start: number, length: number] {
  const first = bytes[1] ?? 0
  if (first < 192) return [2, first]
  if (first < 224) return [3, ((first - 192) << 8) + (bytes[2] ?? 0) + 192]
  if (first === 255 && bytes.length >= 6) return [6, bytes.readUInt32BE(2)]
  throw new KeyFormatError("one of its packets has no plain length")
}

function legacyLength(bytes: Buffer, type: number): [start: number, length: number] {
  if (type === 0) return [2, bytes[1] ?? 0]
  if (type === 1 && bytes.length >= 3) return [3, bytes.readUInt16BE(1)]
  if (type === 2 && bytes.length >= 5) return [5, bytes.readUInt32BE(1)]
  throw new KeyFormatError("one of its packets has no plain length")
}

/** Fingerprints are written in groups and in either case. */
export function sameFingerprint(one: string, other: string): boolean {
  return plainFingerprint(one) !== "" && plainFingerprint(one) === plainFingerprint(other)
}

export function plainFingerprint(text: string): string {
  return text.replace(/[\s:]|^0x/g, "").toUpperCase()
}
