import { createPublicKey, verify } from "node:crypto"
import ssh2, { type ParsedKey } from "ssh2"
import { packString, WireReader } from "../wire.ts"
import { matchPatterns } from "./patterns.ts"

/** Types of plain host keys for which there are certificates, and the fields of each (PROTOCOL.certkeys). */
const KEY_FIELDS: Readonly<Record<string, number>> = {
  "ssh-ed25519": 1,
  "ecdsa-sha2-nistp256": 2,
  "ecdsa-sha2-nistp384": 2,
  "ecdsa-sha2-nistp521": 2,
  "ssh-rsa": 2,
}
const SUFFIX = "-cert-v01@openssh.com"
const HOST = 2

/** What a certificate says, once it is found good; or why it is not. */
export type Certificate = { key: Buffer; id: string } | { problem: string }

/**
 * Reads an OpenSSH host certificate (openssh-portable, PROTOCOL.certkeys) and checks that it was signed by one of
 * the authorities, for this host, for now. Whoever shows it proves nothing yet: that is done by the plain key in it.
 *
 * @param authorities public key blobs
 */
export function readHostCertificate(
  blob: Buffer,
  host: string,
  authorities: readonly Buffer[],
  now = Date.now(),
): Certificate {
  const reader = new WireReader(blob)
  try {
    const type = reader.text()
    const plain = type.endsWith(SUFFIX) ? type.slice(0, -SUFFIX.length) : ""
    const fields = KEY_FIELDS[plain]
    if (fields === undefined) return { problem: `it is of a type that is not known, ${type}` }
    reader.string()
    const key = Buffer.concat([
      packString(plain),
      ...Array.from({ length: fields }, () => packString(reader.string())),
    ])
    reader.uint64()
    const kind = reader.uint32()
    const id = reader.text()
    const principals = new WireReader(reader.string()).rest()
    const [after, before] = [reader.uint64(), reader.uint64()]
    const critical = reader.string()
    reader.string()
    reader.string()
    const authority = reader.string()
    const signed = blob.subarray(0, reader.position)
    const signature = reader.string()
    const seconds = BigInt(Math.floor(now / 1000))
    if (!authorities.some(known => known.equals(authority)))
      return { problem: "its authority is not a known one" }
    if (!isSigned(signed, signature, authority)) return { problem: "its signature is wrong" }
    if (kind !== HOST) return { problem: "it is no host's" }
    if (!principals.some(name => matchPatterns(name, host))) {
      return { problem: `it is for ${principals.join(", ") || "no name"}` }
    }
    if (seconds < after || seconds >= before) return { problem: "it is not valid now" }
    if (critical.length > 0) return { problem: "it has critical options, which hosts' certificates have not" }
    return { key, id }
  } catch (error) {
    if (error instanceof RangeError) return { problem: "it is cut short" }
    throw error
  }
}

/** The hash of each kind of signature; SHA-1 is not among them. */
const HASHES: Readonly<Record<string, string | null>> = {
  "ssh-ed25519": null,
  "ecdsa-sha2-nistp256": "sha256",
  "ecdsa-sha2-nistp384": "sha384",
  "ecdsa-sha2-nistp521": "sha512",
  "rsa-sha2-256": "sha256",
  "rsa-sha2-512": "sha512",
}
const COORDINATE: Readonly<Record<string, number>> = { sha256: 32, sha384: 48, sha512: 66 }

function isSigned(data: Buffer, signature: Buffer, authority: Buffer): boolean {
  const reader = new WireReader(signature)
  const type = reader.text()
  const value = reader.string()
  const hash = HASHES[type]
  const parsed: ParsedKey | Error = ssh2.utils.parseKey(authority)
  if (hash === undefined || parsed instanceof Error) return false
  if (parsed.type !== type && !(type.startsWith("rsa-sha2-") && parsed.type === "ssh-rsa")) return false
  const key = createPublicKey(parsed.getPublicPEM())
  if (!type.startsWith("ecdsa-")) return verify(hash, data, key, value)
  const numbers = new WireReader(value)
  const size = COORDINATE[hash ?? ""] ?? 0
  const pair = Buffer.concat([numbers.integer(size), numbers.integer(size)])
  return verify(hash, data, { key, dsaEncoding: "ieee-p1363" }, pair)
}
