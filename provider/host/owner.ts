import type { HostFacts } from "./facts/types.ts"
import { RECORDS } from "./records.ts"
import { type Refusal, refusal } from "./refusal.ts"
import { type Action, type Plan, remove, step, write } from "./step.ts"

/** What has one owner on a host: "networks/xenbr0", "dom0". */
export type Owned = "dom0" | `networks/${string}`

const markPath = (what: Owned) => `${RECORDS}/owners/${what}`

/** The URN of the resource that made it; a person can read whose it is. */
export function ownerOf(facts: HostFacts, what: Owned): string | undefined {
  return facts.files[markPath(what)]?.trim()
}

/** The mark, before anything else is made: a run that was cut off finds its own half-made object by it. */
export function claim(facts: HostFacts, what: Owned, urn: string): Plan {
  if (ownerOf(facts, what) === urn) return []
  return [
    step(`Note whose ${words(what)} is`, [write(markPath(what), `${urn}\n`)], { undo: [release(what)] }),
  ]
}

export function release(what: Owned): Action {
  return remove(markPath(what))
}

/** Another resource, perhaps of another stack, has made it. `exists`: whether there is more than its mark. */
export function refuseForeign(facts: HostFacts, what: Owned, urn: string, exists: boolean): Refusal[] {
  const owner = ownerOf(facts, what)
  if (!exists || owner === undefined || owner === urn) return []
  return [
    refusal(
      "foreign-file",
      `${words(what)} belongs to another resource of Pulumi: ${owner}.`,
      "Use what that one made, or destroy it first.",
    ),
  ]
}

function words(what: Owned): string {
  return what === "dom0" ? "the machine's Xen" : `the bridge ${what.slice("networks/".length)}`
}
