import type { HostFacts } from "../facts/types.ts"
import { readRecord, removeRecord, writeRecord } from "../records.ts"
import { type Plan, remove, run, step, write } from "../step.ts"
import { dom0Record, planBootHold } from "./dom0.ts"
import { grubOf } from "./grub.ts"

/** What holding the boot has changed: the files as they were, null where there was none. */
interface HoldRecord {
  readonly originals: Readonly<Record<string, string | null>>
}

const RECORD = "boot"

/** Before Xen's packages: GRUB goes on booting what it boots now. It is written down what that has changed. */
export function planHold(facts: HostFacts): Plan {
  const defaults = facts.boot.grub?.defaults ?? {}
  return planBootHold(facts).map(hold => {
    const paths = hold.actions.flatMap(action => (action.kind === "write" ? [action.path] : []))
    const record: HoldRecord = {
      originals: {
        ...Object.fromEntries(paths.map(path => [path, defaults[path] ?? null])),
        ...readRecord<HoldRecord>(facts.files, RECORD)?.originals,
      },
    }
    return { ...hold, actions: [writeRecord(RECORD, record), ...hold.actions] }
  })
}

/** After Xen's packages are gone: GRUB's files as they were. Nothing while dom0 still counts on them. */
export function planHoldRemoval(facts: HostFacts): Plan {
  const record = readRecord<HoldRecord>(facts.files, RECORD)
  const grub = facts.boot.grub && grubOf(facts.boot.grub)
  if (!record || !grub || dom0Record(facts)) return []
  const files = Object.entries(record.originals).map(([path, content]) =>
    content === null ? remove(path) : write(path, content),
  )
  return [
    step("Give GRUB its old configuration back", [...files, run(grub.regenerate), removeRecord(RECORD)]),
  ]
}
