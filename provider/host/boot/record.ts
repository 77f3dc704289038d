import type { HostFacts } from "../facts/types.ts"
import type { Originals } from "../originals.ts"
import { readRecord } from "../records.ts"

/** Kept on the host: what was set, and the files as they were before. */
export interface Dom0Record {
  readonly xenOptions: readonly string[]
  readonly linuxOptions: readonly string[]
  readonly originals: Originals
  /** GRUB's default before: what it goes back to. */
  readonly savedEntry: string
  /** Xen ran here before, set up by somebody else: it stays when this is undone. */
  readonly adopted: boolean
}

export const DOM0_RECORD = "dom0"

export function dom0Record(facts: HostFacts): Dom0Record | undefined {
  return readRecord<Dom0Record>(facts.files, DOM0_RECORD)
}

/** The files as they are now, wherever the facts have them. */
export function filesNow({ boot, files }: HostFacts, paths: readonly string[]): Originals {
  return Object.fromEntries(paths.map(path => [path, boot.grub?.defaults[path] ?? files[path] ?? null]))
}

/** Those files that are not as wanted. */
export function changed<Content extends string | null>(
  facts: HostFacts,
  files: Readonly<Record<string, Content>>,
): Record<string, Content> {
  const now = filesNow(facts, Object.keys(files))
  return Object.fromEntries(Object.entries(files).filter(([path, content]) => now[path] !== content))
}
