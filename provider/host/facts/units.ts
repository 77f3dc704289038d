import { parseFields } from "./sections.ts"
import type { HostFacts } from "./types.ts"

/** `systemctl show`: blocks of `Key=value`, an empty line between two units. */
export function parseUnits(text = ""): HostFacts["units"] {
  return Object.fromEntries(
    text
      .split(/\n\s*\n/)
      .map(block => parseFields(block))
      .filter(({ Id }) => Id !== undefined)
      .map(({ Id, UnitFileState, ActiveState }) => [
        Id!,
        { enabled: UnitFileState ?? "", active: ActiveState ?? "" },
      ]),
  )
}
