import { createPrivateKey, type KeyObject, randomBytes } from "node:crypto"
import ssh2, { type ParsedKey } from "ssh2"
import { packString } from "./wire.ts"

export type KeyProblem = "encrypted" | "passphrase" | "not-a-key" | "public-key"

/** What a private key's text turned out to be. */
export type KeyText = { key: ParsedKey } | { problem: KeyProblem }

/**
 * Reads a private key: OpenSSH's own format, PEM (PKCS#1, SEC 1), PKCS#8 and PuTTY's. Whether it is encrypted is
 * read from its envelope, so that a missing passphrase and a wrong one are told apart.
 */
export function parsePrivateKey(text: string, passphrase: string | undefined): KeyText {
  const encrypted = isEncrypted(text)
  if (encrypted && passphrase === undefined) return { problem: "encrypted" }
  const problem: KeyText = { problem: encrypted ? "passphrase" : "not-a-key" }
  try {
    const plain = PKCS8.test(text) ? unwrapPkcs8(text, passphrase) : text
    const parsed: unknown = ssh2.utils.parseKey(plain, plain === text && encrypted ? passphrase : undefined)
    // OpenSSH's format may hold several keys; ssh2 then returns a list, which its types leave out.
    const key = Array.isArray(parsed) ? (parsed[0] as ParsedKey) : (parsed as ParsedKey | Error)
    if (key instanceof Error) return problem
    return key.isPrivateKey() ? { key } : { problem: "public-key" }
  } catch {
    return problem
  }
}

const PKCS8 = /^\s*-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/
const OPENSSH = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/

/** openssh-portable's PROTOCOL.key: magic, then the cipher's name, `none` where there is no encryption. */
function isEncrypted(text: string): boolean {
  const body = OPENSSH.exec(text)?.[1]
  if (body !== undefined) {
    const blob = Buffer.from(body, "base64")
    const magic = "openssh-key-v1\0"
    if (blob.length < magic.length + 8 || blob.toString("latin1", 0, magic.length) !== magic) return false
    const length = blob.readUInt32BE(magic.length)
    return blob.toString("latin1", magic.length + 4, magic.length + 4 + length) !== "none"
  }
  return (
    /^Proc-Type: 4,ENCRYPTED/m.test(text) ||
    /^\s*-----BEGIN ENCRYPTED PRIVATE KEY-----/.test(text) ||
    (/^PuTTY-User-Key-File-/.test(text) && !/^Encryption: none\s*$/m.test(text))
  )
}

/** ssh2 reads no PKCS#8, which is what other tools write: given on in a form that it reads. */
function unwrapPkcs8(text: string, passphrase: string | undefined): string {
  const key = createPrivateKey(passphrase === undefined ? text : { key: text, passphrase })
  switch (key.asymmetricKeyType) {
    case "rsa":
      return key.export({ type: "pkcs1", format: "pem" }).toString()
    case "ec":
      return key.export({ type: "sec1", format: "pem" }).toString()
    case "ed25519":
      return opensshEd25519(key)
    default:
      throw new TypeError(`No SSH key type for ${key.asymmetricKeyType}`)
  }
}

/** PROTOCOL.key, unencrypted, one key: the only form in which ssh2 reads Ed25519. */
function opensshEd25519(key: KeyObject): string {
  const { d, x } = key.export({ format: "jwk" })
  const seed = Buffer.from(d ?? "", "base64url")
  const point = Buffer.from(x ?? "", "base64url")
  const check = randomBytes(4)
  const publicBlob = Buffer.concat([packString("ssh-ed25519"), packString(point)])
  const secret = Buffer.concat([
    check,
    check,
    publicBlob,
    packString(Buffer.concat([seed, point])),
    packString(""),
  ])
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, index) => index + 1))
  const one = Buffer.from([0, 0, 0, 1])
  const blob = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    packString("none"),
    packString("none"),
    packString(""),
    one,
    packString(publicBlob),
    packString(Buffer.concat([secret, padding])),
  ])
  const lines = blob.toString("base64").match(/.{1,70}/g) ?? []
  return ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join("\n")
}
