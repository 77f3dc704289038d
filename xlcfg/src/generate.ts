import { ValueError } from "./errors.ts"
import { type DomainConfig, isKey, type KeyName, keyOf, keys } from "./keys/table.ts"
import { printAssignment } from "./syntax/print.ts"
import type { Literal } from "./syntax/tree.ts"

/**
 * The canonical text of a domain: one key a line, in the order of the key table, devices in their named form.
 * Equal configurations give equal texts. Throws {@link ValueError} for a key or value that xl would not take.
 */
export function generate(config: DomainConfig): string {
  const unknown = Object.keys(config).find(name => !isKey(name))
  if (unknown !== undefined) throw new ValueError(unknown, "xl knows no such key")
  if (!config.name) throw new ValueError("name", "a domain needs a name")
  const given = (Object.keys(keys) as KeyName[]).filter(name => config[name] !== undefined)
  return given.map(name => `${printAssignment(name, literalOf(name, config[name]))}\n`).join("")
}

/** The literal that xl reads as a key's typed value. Throws {@link ValueError}, naming the key, where there is none. */
export function literalOf(name: KeyName, value: unknown): Literal {
  try {
    return keyOf(name).type.write(value)
  } catch (error) {
    if (!(error instanceof ValueError)) throw error
    throw new ValueError(`${name}: ${error.subject}`, error.problem, error.remedy)
  }
}
