import { createHash } from "node:crypto"
import { ValueError } from "../errors.ts"
import type { Field } from "./fields.ts"

/** The address block that xensource.com registered for Xen's guests (IEEE OUI). */
export const xenOui = "00:16:3e"

/**
 * A MAC address in its usual form, lower case with colons, `undefined` for what is none. The address of one
 * interface: not a multicast one, not all zeros. xl itself reads six hexadecimal numbers with anything between.
 */
export function normalizeMac(text: string): string | undefined {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) return undefined
  const mac = text.toLowerCase()
  const isMulticast = (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1
  return isMulticast || mac === "00:00:00:00:00:00" ? undefined : mac
}

/**
 * The MAC address of an interface for ever, from its name (for example `"www"` or `"www/1"`): in Xen's range,
 * the last three bytes from the name's SHA-256. Two names share one with probability 1 in 16.7 million a pair:
 * {@link checkHost} finds it.
 */
export function macFromName(name: string): string {
  if (name === "") throw new ValueError("MAC address", "there is no name to derive it from")
  const hash = createHash("sha256").update(`xen-mac:${name}`).digest()
  return [xenOui, ...Array.from(hash.subarray(0, 3), byte => byte.toString(16).padStart(2, "0"))].join(":")
}

/** `mac=` of a network interface. */
export const mac: Field<string> = {
  wanted: "the MAC address of one interface, like 00:16:3e:12:34:56",
  read: normalizeMac,
  write: value => value,
}
