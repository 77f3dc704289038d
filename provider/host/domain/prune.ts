import type { DomainFacts, StoredGeneration } from "./facts.ts"

/**
 * Generations that leave the store once `target` serves: all that never served, and those that served longest ago, so
 * that `keep` of them stay.
 */
export function outdated({ store }: DomainFacts, keep: number, target: string): StoredGeneration[] {
  if (store === undefined) return []
  const newestFirst = [target, ...store.history.map(({ generation }) => generation).reverse()]
  const kept = new Set(
    [...new Set(newestFirst)]
      .filter(one => one === target || store.generations.has(one))
      .slice(0, Math.max(1, keep)),
  )
  return [...store.generations.values()].filter(({ generation }) => !kept.has(generation))
}
