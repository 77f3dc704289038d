import { devices, pci } from "./devices.ts"
import { boot, general, xsm } from "./general.ts"
import { deviceModel, graphics, machine } from "./hvm.ts"
import type { Key } from "./key.ts"
import { arm, cpu, memory } from "./resources.ts"

/** The groups of keys, in the order in which configurations are written. */
export const groups = { general, boot, cpu, memory, devices, pci, machine, graphics, deviceModel, xsm, arm }

/**
 * Every key that xl of Xen 4.17 to 4.20 reads (upstream: `parse_config_data` in tools/xl/xl_parse.c and
 * xl.cfg(5)), in canonical order.
 */
export const keys = {
  ...general,
  ...boot,
  ...cpu,
  ...memory,
  ...devices,
  ...pci,
  ...machine,
  ...graphics,
  ...deviceModel,
  ...xsm,
  ...arm,
}

export type KeyName = keyof typeof keys

/** What the value of a key is in a program. */
export type ValueOf<K extends KeyName> = (typeof keys)[K] extends Key<infer T> ? T : never

/** A domain: every key of xl, typed. Devices stand as objects or in xl's own text. */
export type DomainConfig = { readonly name: string } & {
  readonly [K in Exclude<KeyName, "name">]?: ValueOf<K>
}

/** Whether xl knows a key. */
export function isKey(name: string): name is KeyName {
  return Object.hasOwn(keys, name)
}

/** What is known of a key, without its value's type. */
export function keyOf(name: KeyName): Key<unknown> {
  return keys[name] as Key<unknown>
}

/** The known key that a misspelt one was probably meant to be. */
export function nearestKey(name: string): KeyName | undefined {
  let best: { name: KeyName; distance: number } | undefined
  for (const known of Object.keys(keys) as KeyName[]) {
    const limit = best?.distance ?? Math.max(2, Math.ceil(known.length / 3))
    const distance = editDistance(name, known, limit)
    if (distance < limit) best = { name: known, distance }
  }
  return best?.name
}

/**
 * How many characters must be added, dropped, exchanged or swapped (Damerau-Levenshtein), as far as that is
 * less than `limit`.
 */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swap =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? before[j - 2]! + 1 : change
      row.push(Math.min(row[j - 1]! + 1, above[j]! + 1, change, swap))
    }
    if (Math.min(...row) >= limit) return limit
    before = above
    above = row
  }
  return above[b.length]!
}
