import { createHash } from "node:crypto"
import { RECORDS } from "../records.ts"

/** Where everything that is remembered of domains lies: one folder a domain. */
export const DOMAINS = `${RECORDS}/domains`

/**
 * A domain's name. xl takes a text of digits for a domain's number; a name that ends in a generation would be that
 * of another domain's staged start.
 */
export const domainName = {
  pattern: /(?!\d+$)(?!Domain-0$)(?!.*\.[0-9a-f]{12}$)[A-Za-z0-9][A-Za-z0-9._-]{0,47}/,
  says:
    "a domain's name: letters, digits, '.', '_' and '-', at most 48, beginning with a letter or digit; not a number, " +
    "not Domain-0, and not ending in a generation",
}

/** The first 12 hexadecimal digits of the SHA-256 of what makes a domain what it is. */
export const generationName = { pattern: /[0-9a-f]{12}/, says: "a generation: 12 hexadecimal digits" }

export function domainDirectory(name: string): string {
  return `${DOMAINS}/${name}`
}

/** The name under which every domain is created, and which it keeps while it does not serve. */
export function stagedName(name: string, generation: string): string {
  return `${name}.${generation}`
}

/** xenconsoled opens the log under the name that the domain is created with, and keeps it through renames. */
export function consoleLogPath(name: string, generation: string): string {
  return `/var/log/xen/console/guest-${stagedName(name, generation)}.log`
}

/**
 * Content-addressed: the same configuration with the same contents of its disks is the same generation, on every
 * host and in every run. `configuration` is canonical text without the identity of a running domain.
 */
export function generationOf(configuration: string, diskDigests: readonly string[] = []): string {
  const content = [configuration, ...diskDigests].join("\0")
  return createHash("sha256").update(content).digest("hex").slice(0, 12)
}

/**
 * The UUID that a generation is started with (RFC 9562, version 8: what we make of it). `attempt` counts up while a
 * running domain has it, which a generation that was changed live hands on.
 */
export function uuidOf(urn: string, generation: string, attempt = 0): string {
  const hash = createHash("sha256").update(`xen-domain\0${urn}\0${generation}\0${attempt}`).digest()
  hash[6] = (hash[6]! & 0x0f) | 0x80
  hash[8] = (hash[8]! & 0x3f) | 0x80
  const hex = hash.toString("hex")
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    "-",
  )
}

/** The host's end of a domain's nth network interface: at most 15 characters (IFNAMSIZ of linux/if.h, less one). */
export function portName(uuid: string, index: number): string {
  return `v${uuid.slice(0, 8)}.${index}`
}
