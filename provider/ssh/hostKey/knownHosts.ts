import { createHmac } from "node:crypto"
import { appendFileSync, mkdirSync, readFileSync } from "node:fs"
import { dirname } from "node:path"
import { matchPatterns } from "./patterns.ts"

/** A line of a known_hosts file, sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT". */
export interface KnownHost {
  marker: "cert-authority" | "revoked" | undefined
  hosts: string
  type: string
  key: Buffer
  /** For messages: `~/.ssh/known_hosts:12`. */
  where: string
}

/** Parses a file's text. Comments, empty lines and lines that say nothing that could be believed are left out. */
export function parseKnownHosts(text: string, file: string): KnownHost[] {
  return text.split("\n").flatMap((line, index) => {
    const entry = parseLine(line.trim(), `${file}:${index + 1}`)
    return entry ? [entry] : []
  })
}

function parseLine(line: string, where: string): KnownHost | undefined {
  if (line === "" || line.startsWith("#")) return undefined
  const words = line.split(/[ \t]+/)
  const marker = words[0]?.startsWith("@") ? words.shift()?.slice(1) : undefined
  if (marker !== undefined && marker !== "cert-authority" && marker !== "revoked") return undefined
  const [hosts, type, base64] = words
  if (hosts === undefined || type === undefined || base64 === undefined) return undefined
  const key = Buffer.from(base64, "base64")
  if (keyType(key) !== type) return undefined
  return { marker, hosts, type, key, where }
}

/** The first string of a public key blob, RFC 4253 6.6: its type. */
export function keyType(key: Buffer): string | undefined {
  if (key.length < 4) return undefined
  const end = 4 + key.readUInt32BE(0)
  return end <= key.length ? key.toString("latin1", 4, end) : undefined
}

/** Reads files in order; one that is not there says nothing. */
export function readKnownHosts(files: readonly string[]): KnownHost[] {
  return files.flatMap(file => {
    const text = readIfPresent(file)
    return text === undefined ? [] : parseKnownHosts(text, file)
  })
}

/** The name under which a host is written there: the port only when it is not 22. */
export function hostId(host: string, port: number): string {
  const name = host.toLowerCase()
  return port === 22 ? name : `[${name}]:${port}`
}

/** Whether a line's host field, plain or hashed, is about this id. */
export function isAbout(entry: Pick<KnownHost, "hosts">, id: string): boolean {
  return entry.hosts.startsWith("|") ? matchesHash(entry.hosts, id) : matchPatterns(entry.hosts, id)
}

/** `|1|salt|HMAC-SHA1(salt, name)`, both in base64 (HashKnownHosts). */
function matchesHash(hosts: string, id: string): boolean {
  const [, version, salt, hash] = hosts.split("|")
  if (version !== "1" || !salt || !hash) return false
  return createHmac("sha1", Buffer.from(salt, "base64"))
    .update(id)
    .digest()
    .equals(Buffer.from(hash, "base64"))
}

/**
 * Adds a line with one write to a file opened for appending, so that processes that pin at the same time
 * never tear each other's lines. The file and its directory are made when missing.
 */
export function appendKnownHost(file: string, id: string, key: Buffer): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const before = readIfPresent(file) ?? ""
  const gap = before === "" || before.endsWith("\n") ? "" : "\n"
  const line = `${gap}${id} ${keyType(key)} ${key.toString("base64")}\n`
  appendFileSync(file, line, { mode: 0o600, flush: true })
}

function readIfPresent(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}
