import { generate } from "xlcfg"
import { isOnNetwork, portsOf } from "./devices.ts"
import type { DomainFacts, DomainStore, OwnDomain, StoredGeneration } from "./facts.ts"
import { configOfDetails } from "./import.ts"
import { generationOf } from "./names.ts"
import { generationFrom, withoutIdentity } from "./wanted.ts"

/** A running domain and the generation that it is. */
export interface Serving {
  readonly domain: OwnDomain
  readonly generation: StoredGeneration
}

/** Whether it runs, or would if it were not paused. */
export function isAlive({ activity }: OwnDomain): boolean {
  return activity === "running" || activity === "paused"
}

/**
 * The domain of ours that serves: the current generation where it runs, else one whose ports are on their bridges. Several
 * generations may have one UUID, which is handed on by live changes: the current one tells which it is.
 */
export function serving(facts: DomainFacts): Serving | undefined {
  const { own, store } = facts
  if (store === undefined) return undefined
  const current = store.generations.get(store.current ?? "")
  const alive = own.filter(isAlive)
  const known = new Set([...store.generations.values()].map(({ uuid }) => uuid))
  const it =
    alive.find(({ uuid }) => uuid === current?.uuid) ??
    // Started by hand once more: no generation has its UUID, but it has the name and the addresses.
    (current && alive.find(({ uuid }) => !known.has(uuid)))
  if (it && current) return { domain: it, generation: current }
  for (const domain of alive) {
    const generation = [...store.generations.values()].find(({ uuid }) => uuid === domain.uuid)
    const ports = portsOf(generation?.config, domain)
    if (generation && isOnNetwork(facts, ports)) return { domain, generation }
  }
  return undefined
}

export interface Adoption {
  readonly facts: DomainFacts
  /** What the store lacks: the generation that runs already. */
  readonly adopted?: StoredGeneration
}

/** A domain that the state knows, as an import leaves it, and the store does not: what it runs becomes its first generation. */
export function adopt(facts: DomainFacts, name: string, uuid: string | undefined): Adoption {
  const domain = facts.own.find(own => own.uuid === uuid && isAlive(own))
  if (uuid === undefined || domain === undefined || (facts.store?.generations.size ?? 0) > 0) return { facts }
  const config = { ...configOfDetails(domain.details), name }
  const generation = generationOf(generate(withoutIdentity(config)))
  const adopted: StoredGeneration = {
    ...generationFrom(generation, generate({ ...withoutIdentity(config), uuid })),
    baseline: domain.details,
  }
  const store: DomainStore = {
    history: [],
    ...facts.store,
    generations: new Map([[generation, adopted]]),
    current: generation,
  }
  return { facts: { ...facts, store }, adopted }
}
