import { generateKeyPairSync, randomBytes } from "node:crypto"
import type { Duplex } from "node:stream"
import { packString, WireReader } from "../wire.ts"

/**
 * Asks a server for its host certificate, and hangs up. ssh2 negotiates no certificates, but a certificate is a public
 * statement, good wherever it comes from once its signature is checked: the connection proper then holds the host to
 * the plain key in it. The server shows it in the clear in its first key exchange reply (RFC 4253 section 7, RFC 8731),
 * so that no cryptography is needed to get at it.
 *
 * @returns undefined when it has none
 */
export function askCertificate(stream: Duplex, timeout: number): Promise<Buffer | undefined> {
  return new Promise(resolve => {
    const timer = setTimeout(() => finish(undefined), timeout)
    const finish = (certificate: Buffer | undefined): void => {
      clearTimeout(timer)
      stream.destroy()
      resolve(certificate)
    }
    let received = Buffer.alloc(0)
    let greeted = false
    stream.on("error", () => finish(undefined))
    stream.on("close", () => finish(undefined))
    stream.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (received.length > MAX_RECEIVED) return finish(undefined)
      while (!greeted) {
        const end = received.indexOf("\n")
        if (end < 0) return
        greeted = received.toString("latin1", 0, 4) === "SSH-"
        received = received.subarray(end + 1)
      }
      while (received.length >= 4 && received.length >= 4 + received.readUInt32BE(0)) {
        const payload = received.subarray(5)
        const rest = received.subarray(4 + received.readUInt32BE(0))
        if (payload[0] === KEXINIT)
          stream.write(packet(Buffer.concat([Buffer.of(ECDH_INIT), packString(ephemeralKey())])))
        else if (payload[0] === ECDH_REPLY) return finish(hostKey(payload))
        else if (payload[0] === DISCONNECT) return finish(undefined)
        received = rest
      }
    })
    stream.write(Buffer.concat([Buffer.from("SSH-2.0-PulumiXen\r\n"), packet(kexInit())]))
  })
}

const MAX_RECEIVED = 64 * 1024
const DISCONNECT = 1
const KEXINIT = 20
const ECDH_INIT = 30
const ECDH_REPLY = 31

function hostKey(payload: Buffer): Buffer | undefined {
  try {
    return Buffer.from(new WireReader(payload.subarray(1)).string())
  } catch {
    return undefined
  }
}

const SUFFIX = "-cert-v01@openssh.com"
const TYPES = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256",
]

/** No cipher is ever used, but one must be agreed on: what OpenSSH has offered for long. */
function kexInit(): Buffer {
  const ciphers =
    "aes128-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com"
  const macs = "hmac-sha2-256,hmac-sha2-512,hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com"
  const lists = [
    "curve25519-sha256,curve25519-sha256@libssh.org",
    TYPES.map(type => `${type}${SUFFIX}`).join(","),
    ciphers,
    ciphers,
    macs,
    macs,
    "none",
    "none",
    "",
    "",
  ]
  return Buffer.concat([Buffer.of(KEXINIT), randomBytes(16), ...lists.map(packString), Buffer.alloc(5)])
}

function ephemeralKey(): Buffer {
  const { x = "" } = generateKeyPairSync("x25519").publicKey.export({ format: "jwk" })
  return Buffer.from(x, "base64url")
}

/** RFC 4253 section 6, before any keys: padded to a multiple of eight. */
function packet(payload: Buffer): Buffer {
  const padding = 16 - ((5 + payload.length) % 8)
  const head = Buffer.alloc(5)
  head.writeUInt32BE(1 + payload.length + padding)
  head[4] = padding
  return Buffer.concat([head, payload, randomBytes(padding)])
}
