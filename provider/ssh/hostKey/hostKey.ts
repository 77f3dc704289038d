import { createHash } from "node:crypto"
import { ConnectError } from "../errors.ts"
import { type Certificate, readHostCertificate } from "./certificate.ts"
import {
  appendKnownHost,
  hostId,
  isAbout,
  type KnownHost,
  keyType,
  parseKnownHosts,
  readKnownHosts,
} from "./knownHosts.ts"

/** What a host may prove itself with, and where that comes from. */
export interface HostKeyRules {
  /** The connection's name, for messages. */
  name: string
  /** The name and port that known_hosts lines are about (HostKeyAlias already applied). */
  host: string
  port: number
  /** Given by the user: nothing else is believed. */
  pinned: readonly string[] | undefined
  files: readonly string[]
  policy: "strict" | "accept-new"
}

/** `SHA256:…`, as `ssh-keygen -l` prints it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`
}

/**
 * Decides about one host key of one connection attempt. `check` is called with the key before anything else
 * is sent, `settle` when the host has proved that the key is its own.
 */
export class HostKeyVerifier {
  readonly #rules: HostKeyRules
  #known: readonly KnownHost[]
  #certificateProblem: string | undefined
  readonly #fingerprints: readonly string[]
  #unknown: Buffer | undefined
  /** Why the key was refused. */
  refusal: ConnectError | undefined

  constructor(rules: HostKeyRules) {
    this.#rules = rules
    const { pinned } = rules
    if (pinned === undefined) {
      this.#fingerprints = []
      this.#known = this.#lookUp()
      return
    }
    this.#fingerprints = pinned.filter(isFingerprint)
    this.#known = pinned.filter(key => !isFingerprint(key)).map(key => parsePinned(rules.name, key))
    if (pinned.length === 0)
      throw new ConnectError(rules.name, "target", `hostKey of ${rules.name} is an empty list`)
  }

  /** Keys of hosts believed for this one's certificates. */
  get authorities(): readonly KnownHost[] {
    return this.#known.filter(entry => entry.marker === "cert-authority")
  }

  get revoked(): readonly KnownHost[] {
    return this.#known.filter(entry => entry.marker === "revoked")
  }

  /** Believes the plain key in a certificate when an authority vouches for it. */
  certify(certificate: Buffer | undefined): void {
    const trusted = this.authorities
      .map(entry => entry.key)
      .filter(key => !this.revoked.some(bad => bad.key.equals(key)))
    const read: Certificate = certificate
      ? readHostCertificate(certificate, this.#rules.host.toLowerCase(), trusted)
      : { problem: "the host showed none" }
    if ("problem" in read) this.#certificateProblem = read.problem
    else {
      const { key } = read
      const entry = {
        marker: undefined,
        hosts: "*",
        type: keyType(key) ?? "",
        key,
        where: `certificate ${read.id}`,
      }
      this.#known = [...this.#known, entry]
    }
  }

  get #keys(): readonly KnownHost[] {
    return this.#known.filter(entry => entry.marker === undefined)
  }

  /**
   * Host key algorithms to ask for: those of known keys first, so that a host with several keys shows the one
   * that is known. No SHA-1 signatures, as in OpenSSH since 8.8.
   */
  algorithms(): string[] {
    const known = new Set(this.#keys.map(entry => entry.type))
    return [
      ...ALGORITHMS.filter(([type]) => known.has(type)),
      ...ALGORITHMS.filter(([type]) => !known.has(type)),
    ].map(([, algorithm]) => algorithm)
  }

  /** Whether the connection may go on. */
  check(key: Buffer): boolean {
    this.refusal = this.#refuse(key)
    return this.refusal === undefined
  }

  /**
   * Writes down the key of a host seen for the first time, unless another key was written meanwhile.
   *
   * @throws ConnectError, which is then the `refusal`, too
   */
  settle(): void {
    const key = this.#unknown
    const file = this.#rules.files[0]
    if (key === undefined || file === undefined) return
    const now = this.#lookUp().filter(entry => entry.marker === undefined)
    if (now.some(entry => entry.key.equals(key))) return
    if (now.length > 0) throw this.#refuseWith(this.#mismatch(key, now))
    try {
      appendKnownHost(file, hostId(this.#rules.host, this.#rules.port), key)
    } catch (cause) {
      throw this.#refuseWith(this.#fileError("written to", cause))
    }
  }

  #lookUp(): KnownHost[] {
    const { host, port, files } = this.#rules
    const all = this.#read(files)
    const exact = all.filter(entry => isAbout(entry, hostId(host, port)))
    return exact.some(entry => entry.marker !== "revoked") || port === 22
      ? exact
      : [
          ...exact,
          ...all.filter(entry => entry.marker !== "cert-authority" && isAbout(entry, hostId(host, 22))),
        ]
  }

  #read(files: readonly string[]): KnownHost[] {
    try {
      return readKnownHosts(files)
    } catch (cause) {
      throw this.#fileError("read", cause)
    }
  }

  #fileError(what: string, cause: unknown): ConnectError {
    const { path, code } = cause as NodeJS.ErrnoException
    const file = path ?? this.#rules.files.join(", ")
    const message = `A known_hosts file for ${this.#rules.name} cannot be ${what} (${code}): ${file}`
    return new ConnectError(this.#rules.name, "config", message, { cause })
  }

  #refuseWith(error: ConnectError): ConnectError {
    this.refusal = error
    return error
  }

  #refuse(key: Buffer): ConnectError | undefined {
    const { name, policy, files, pinned } = this.#rules
    const revoked = this.revoked.find(entry => entry.key.equals(key))
    if (revoked) {
      const message = `The key of ${name}, ${describe(key)}, is marked @revoked in ${revoked.where}. Do not connect: whoever answers may not be the host`
      return new ConnectError(name, "host-key-revoked", message)
    }
    if (this.#fingerprints.includes(fingerprint(key))) return undefined
    if (this.#keys.some(entry => entry.key.equals(key))) return undefined
    if (pinned !== undefined || this.#keys.length > 0) return this.#mismatch(key, this.#keys)
    if (this.#certificateProblem !== undefined) {
      const message = `A certificate authority is trusted for ${name}, and no key, but its certificate cannot be: ${this.#certificateProblem}. It showed ${describe(key)}. Have the authority sign the host's key anew`
      return new ConnectError(name, "host-certificate", message)
    }
    if (policy === "accept-new") {
      if (files.length === 0) {
        const message = `The key of ${name} is to be accepted and written down, but knownHosts names no file`
        return new ConnectError(name, "target", message)
      }
      this.#unknown = key
      return undefined
    }
    const message =
      `The host key of ${name} is not known: it showed ${describe(key)}. Compare this with the host's own ` +
      `(\`ssh-keygen -l -f /etc/ssh/ssh_host_${shortType(key)}_key.pub\` there), then give it as hostKey ` +
      `"${keyType(key)} ${key.toString("base64")}", or add it to ${files[0] ?? "a known_hosts file"}`
    return new ConnectError(name, "host-key-unknown", message)
  }

  #mismatch(key: Buffer, expected: readonly KnownHost[]): ConnectError {
    const { name } = this.#rules
    const wanted = [
      ...this.#fingerprints,
      ...expected.map(entry => `${describe(entry.key)} (${entry.where})`),
    ].join(", ")
    const message =
      `The host key of ${name} is not the one expected: it showed ${describe(key)}, expected was ${wanted}. ` +
      "Either the host was installed anew, then replace the expected key, or someone is between you and it. Nothing was sent to it"
    return new ConnectError(name, "host-key-mismatch", message)
  }
}

/** Type of the key and algorithm of its signature, best first. */
const ALGORITHMS: readonly (readonly [type: string, algorithm: string])[] = [
  ["ssh-ed25519", "ssh-ed25519"],
  ["ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"],
  ["ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"],
  ["ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"],
  ["ssh-rsa", "rsa-sha2-512"],
  ["ssh-rsa", "rsa-sha2-256"],
]

const isFingerprint = (text: string): boolean => text.startsWith("SHA256:")

/** `type base64 [comment]`, or a known_hosts line, whose host field then does not matter. */
function parsePinned(name: string, text: string): KnownHost {
  const line = text.trim()
  const [entry] = [...parseKnownHosts(`* ${line}`, "hostKey"), ...parseKnownHosts(line, "hostKey")]
  if (!entry || line.includes("\n")) {
    const message = `hostKey of ${name} is neither a public key ("ssh-ed25519 AAAA…"), nor a known_hosts line, nor a fingerprint ("SHA256:…"): ${JSON.stringify(line.slice(0, 80))}`
    throw new ConnectError(name, "target", message)
  }
  return { ...entry, where: "hostKey" }
}

const describe = (key: Buffer): string => `${keyType(key)} ${fingerprint(key)}`

/** As in the names of sshd's key files: ed25519, ecdsa, rsa. */
const shortType = (key: Buffer): string => keyType(key)?.replace(/^ssh-/, "").replace(/-.*$/, "") ?? "*"
