import { memoryFor, portsOf, vifsOf, writableDisks } from "./devices.ts"
import type { DomainFacts, StoredGeneration } from "./facts.ts"
import type { Serving } from "./standing.ts"
import type { DomainWanted, Strategy } from "./wanted.ts"

export interface Choice {
  readonly strategy: Strategy
  /** Why not the other, as a clause; empty for a swap, which needs no reason. */
  readonly reason: string
}

/** MiB that Xen keeps from the last domain that fits: its own heap moves a little. */
const spare = 8

/**
 * How a new generation comes to serve. A swap where it can be: both generations run side by side for a while, and the new
 * one is checked before it has the address.
 */
export function chooseStrategy(
  facts: DomainFacts,
  wanted: DomainWanted,
  target: StoredGeneration,
  old: Serving | undefined,
  stagingRefusal: string | undefined,
): Choice {
  if (wanted.strategy === "recreate") return { strategy: "recreate", reason: "as asked for" }
  const reason = obstacle(facts, wanted, target, old) ?? stagingRefusal
  return reason === undefined ? { strategy: "swap", reason: "" } : { strategy: "recreate", reason }
}

function obstacle(
  { xen }: DomainFacts,
  { addresses }: DomainWanted,
  { config }: StoredGeneration,
  old: Serving | undefined,
): string | undefined {
  if (config === undefined) return undefined
  if (vifsOf(config).length === 0) return "it has no network interface"
  if (addresses.length === 0) return "no address of it is known (addresses)"
  if (old === undefined) return undefined
  // A port that no other takes over would go on answering beside the new generation.
  const key = ({ mac, bridge }: { mac: string; bridge: string }) => `${mac} ${bridge}`
  const after = new Set(portsOf(config).map(key))
  if (portsOf(old.generation.config).some(port => !after.has(key(port))))
    return "an interface goes, or comes to another bridge or MAC address"
  const shared = writableDisks(config).filter(path => writableDisks(old.generation.config).includes(path))
  if (shared.length > 0) return `two generations cannot both have the writable disk ${shared.join(", ")}`
  const needed = memoryFor(config)
  if (needed + spare > xen.freeMemory)
    return `${xen.freeMemory} MiB are free, and a second one beside the old takes ${needed} MiB`
  return undefined
}
