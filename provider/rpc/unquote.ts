import type { Fields } from "./declare.ts"
import { bare, type Properties } from "./value.ts"

/** A provider's configuration as its declaration has it: it arrives with every value that is not a text written as JSON. */
export function unquoteConfig(fields: Fields, config: Properties): Properties {
  const entries = Object.entries(config).map(([name, value]) => {
    const isText = fields[name]?.shape.kind === "text"
    const revealed = bare(value)
    if (isText || typeof revealed !== "string" || !(name in fields)) return [name, value]
    try {
      return [name, JSON.parse(revealed)]
    } catch {
      return [name, value]
    }
  })
  return Object.fromEntries(entries)
}
