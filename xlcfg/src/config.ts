import { ValueError } from "./errors.ts"
import { type DomainConfig, isKey, keyOf } from "./keys/table.ts"
import { severityOf } from "./problem.ts"
import type { Document } from "./syntax/document.ts"

/**
 * A document as a typed {@link DomainConfig}, its devices as objects: the way back from {@link generate}.
 * Throws {@link ValueError} for what xl would not read: an unknown key, a wrong type, a device it refuses.
 */
export function configOf(document: Document): DomainConfig {
  const config: Record<string, unknown> = {}
  for (const [name, { value }] of document.settings) {
    if (!isKey(name)) throw new ValueError(name, "xl knows no such key")
    config[name] = keyOf(name).type.read(value, ({ code, message, remedy }) => {
      if (code !== "too-new" && severityOf(code) === "error") throw new ValueError(name, message, remedy)
    })
  }
  if (typeof config.name !== "string") throw new ValueError("name", "a domain needs a name")
  return config as DomainConfig
}
