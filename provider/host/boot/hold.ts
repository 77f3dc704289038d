import type { HostFacts } from "../facts/types.ts"
import { noted, type Originals, setFiles } from "../originals.ts"
import { readRecord, removeRecord, writeRecord } from "../records.ts"
import { type Plan, run, step } from "../step.ts"
import { grubFiles, grubOf, isPlain, plainEntry } from "./grub.ts"
import { changed, dom0Record, filesNow } from "./record.ts"

/** What holding the boot has changed: the files as they were. */
interface HoldRecord {
  readonly originals: Originals
}

const RECORD = "boot"

function holdRecord({ files }: HostFacts): HoldRecord | undefined {
  return readRecord<HoldRecord>(files, RECORD)
}

/**
 * To be applied before Xen's packages are installed: from then on GRUB boots what it boots now, whatever a
 * package adds to the menu. Debian's Xen makes itself the default when it is installed, untried.
 */
export function planHold(facts: HostFacts): Plan {
  const grub = facts.boot.grub && grubOf(facts.boot.grub)
  const entry = plainEntry(facts)
  if (!grub || !entry || facts.xen || dom0Record(facts)) return []
  const { environment, followsSaved } = grub.facts
  const files = changed(facts, grubFiles(grub.facts, {}))
  const saved = isPlain(grub.facts, environment.saved_entry) ? environment.saved_entry : undefined
  if (Object.keys(files).length === 0 && followsSaved && saved !== undefined) return []
  const id = saved ?? entry.id
  const { title } = grub.facts.entries.find(one => one.id === id) ?? entry
  const now = filesNow(facts, Object.keys(files))
  const record: HoldRecord = { originals: noted(holdRecord(facts)?.originals, now) }
  return [
    step(
      `Keep "${title}" the entry that boots`,
      [writeRecord(RECORD, record), run(grub.setDefault(id)), ...setFiles(files), grub.regenerate],
      {
        undo: [...setFiles(now), grub.regenerate],
        note: "Xen becomes the default only when it has proven itself.",
      },
    ),
  ]
}

/** After Xen's packages are gone: GRUB's files as they were. Nothing while dom0 still counts on them. */
export function planHoldRemoval(facts: HostFacts): Plan {
  const record = holdRecord(facts)
  const grub = facts.boot.grub && grubOf(facts.boot.grub)
  if (!record || !grub || dom0Record(facts)) return []
  return [
    step("Give GRUB its old configuration back", [
      ...setFiles(record.originals),
      grub.regenerate,
      removeRecord(RECORD),
    ]),
  ]
}
