import { configOf, type DomainConfig, parse } from "xlcfg"
import { stagingBridge } from "../swap/index.ts"
import { isOnNetwork, portsOf } from "./devices.ts"
import { type Drift, driftOf } from "./drift.ts"
import { MissingGenerationError } from "./errors.ts"
import type { DomainFacts, OwnDomain, StoredGeneration } from "./facts.ts"
import { liveChanges, savedChanges, type XlChange } from "./live.ts"
import { uuidOf } from "./names.ts"
import { outdated } from "./prune.ts"
import { adopt, isAlive, type Serving, serving } from "./standing.ts"
import { chooseStrategy } from "./strategy.ts"
import { type DomainWanted, type Strategy, startedAs, withoutIdentity } from "./wanted.ts"

/** One thing to do to a domain. Each finds its own half done, and ends it. */
export type DomainStep =
  /** Into the store, for one that runs already; `current` for one that serves. */
  | { readonly do: "record"; readonly generation: StoredGeneration; readonly current?: true }
  /** Takes away a domain of ours that does not serve: left by a killed run, replaced, or dead. */
  | { readonly do: "discard"; readonly domain: OwnDomain }
  /** Isolated bridge and namespace for a new generation. */
  | { readonly do: "stage" }
  /** Into the store, before anything of the generation exists, and started. */
  | { readonly do: "start"; readonly generation: StoredGeneration; readonly staged: boolean }
  /** What an earlier run had started comes back onto the staging bridge. */
  | { readonly do: "restage"; readonly generation: StoredGeneration; readonly domain: OwnDomain }
  | { readonly do: "gate"; readonly generation: StoredGeneration; readonly staged: boolean }
  /** The commit point of an update: from here on new connections reach the new generation. */
  | { readonly do: "switch"; readonly to: StoredGeneration; readonly from?: Serving }
  /** The commit point where no port moves. */
  | { readonly do: "commit"; readonly generation: StoredGeneration }
  | { readonly do: "change"; readonly domain: OwnDomain; readonly xl: readonly XlChange[] }
  | { readonly do: "place"; readonly vif: string; readonly bridge: string }
  /** Probation: the checks go on, and at a failure the old generation is put back. */
  | { readonly do: "watch"; readonly generation: StoredGeneration }
  /** Graceful shutdown with a limit, then destroyed. */
  | { readonly do: "stop"; readonly domain: OwnDomain }
  | { readonly do: "unstage" }
  /** Older generations leave the store. */
  | { readonly do: "prune"; readonly generations: readonly StoredGeneration[] }

export interface DomainPlan {
  /** `none`: what serves is what is wanted, whatever is left to tidy up. */
  readonly way: "none" | "create" | "live" | Strategy
  /** Why it is done so, as a clause for people; empty where there is nothing to say. */
  readonly reason: string
  readonly steps: readonly DomainStep[]
  /** The generation that is wanted, as it runs or will be started. */
  readonly target: StoredGeneration
  /** What serves until then, and is gone back to when the target fails. */
  readonly old?: Serving
}

/**
 * The least that leads from what is observed to what is wanted; no step where all is as it should be. Pure. An interrupted
 * run needs no journal: what it has made is part of what is observed.
 *
 * @param stagingRefusal why no generation can be staged on this host, where it cannot
 * @throws {MissingGenerationError} where a generation of the store is wanted that it does not have
 */
export function planDomain(observed: DomainFacts, wanted: DomainWanted, stagingRefusal?: string): DomainPlan {
  const { facts, adopted } = adopt(observed, wanted.name, wanted.uuid)
  const plan = planFrom(facts, wanted, stagingRefusal)
  const steps: readonly DomainStep[] = [
    ...(adopted ? [{ do: "record" as const, generation: adopted, current: true as const }] : []),
    ...plan.steps,
    ...(isStagingLeft(facts, wanted) && !plan.steps.some(step => step.do === "unstage")
      ? [{ do: "unstage" as const }]
      : []),
  ]
  const old = outdated(facts, wanted.keep, plan.target.generation)
  return { ...plan, steps: old.length > 0 ? [...steps, { do: "prune", generations: old }] : steps }
}

/** A run was killed before it took its staging bridge away, which goes last of all that is staged. */
function isStagingLeft({ network }: DomainFacts, { name }: DomainWanted): boolean {
  return network.links.some(link => link.name === stagingBridge(name))
}

function planFrom(facts: DomainFacts, wanted: DomainWanted, stagingRefusal: string | undefined): DomainPlan {
  const old = serving(facts)
  if (old?.generation.generation === wanted.generation) return keep(facts, wanted, old)
  const configuration = configurationOf(facts, wanted)
  const live = old && changeLive(facts, wanted, old, configuration)
  if (live) return live

  const stored = facts.store?.generations.get(wanted.generation)
  const begun = facts.own.find(own => isAlive(own) && own.uuid === stored?.uuid && own !== old?.domain)
  const target =
    begun && stored ? stored : startedAs(wanted.generation, configuration, freeUuid(facts, wanted))
  const { strategy, reason } = chooseStrategy(facts, wanted, target, old, stagingRefusal)
  const before = discards(facts, [old?.domain, begun])
  const way = old ? strategy : "create"
  const steps = strategy === "swap" ? swapSteps(target, begun, old) : placeSteps(facts, target, begun, old)
  return { way, reason, target, steps: [...before, ...steps], ...(old && { old }) }
}

function swapSteps(
  target: StoredGeneration,
  begun: OwnDomain | undefined,
  old: Serving | undefined,
): DomainStep[] {
  return [
    { do: "stage" },
    begun
      ? { do: "restage", generation: target, domain: begun }
      : { do: "start", generation: target, staged: true },
    { do: "gate", generation: target, staged: true },
    { do: "switch", to: target, ...(old && { from: old }) },
    ...(old
      ? [
          { do: "watch" as const, generation: target },
          { do: "discard" as const, domain: old.domain },
        ]
      : []),
    { do: "unstage" },
  ]
}

function placeSteps(
  facts: DomainFacts,
  target: StoredGeneration,
  begun: OwnDomain | undefined,
  old: Serving | undefined,
): DomainStep[] {
  const isThere = begun !== undefined && isOnNetwork(facts, portsOf(target.config, begun))
  return [
    ...(begun && !isThere ? [{ do: "discard" as const, domain: begun }] : []),
    ...(old ? [{ do: "stop" as const, domain: old.domain }] : []),
    ...(isThere ? [] : [{ do: "start" as const, generation: target, staged: false }]),
    { do: "gate", generation: target, staged: false },
    { do: "commit", generation: target },
  ]
}

/** What serves is what is wanted. Drift is mended, by a new start where there is no other way. */
function keep(facts: DomainFacts, wanted: DomainWanted, old: Serving): DomainPlan {
  const { domain, generation } = old
  const drift = driftOf(wanted.name, domain, generation, facts)
  const reason = drift.map(({ says }) => says).join("; ")
  if (drift.some(({ mend }) => mend === undefined)) {
    const steps: DomainStep[] = [
      ...discards(facts, [domain]),
      { do: "stop", domain },
      { do: "start", generation, staged: false },
      { do: "gate", generation, staged: false },
      { do: "commit", generation },
    ]
    return { way: "recreate", reason, target: generation, steps, old }
  }
  const isCommitted = facts.store?.current === generation.generation && facts.store.next === undefined
  const commit: DomainStep[] = isCommitted
    ? []
    : [
        { do: "gate", generation, staged: false },
        { do: "commit", generation },
      ]
  const rest = [...mends(domain, drift), ...commit]
  const before = predecessor(facts, domain)
  // The run that made it current was killed in the time of probation, or while it took the old one away.
  const finish: DomainStep[] = before ? [{ do: "watch", generation }] : []
  return {
    way: drift.length > 0 ? "live" : "none",
    reason,
    target: generation,
    steps: [...rest, ...finish, ...discards(facts, [domain])],
    ...(before && { old: before }),
  }
}

/** A generation that served before and still runs, off the network. */
function predecessor({ own, store }: DomainFacts, current: OwnDomain): Serving | undefined {
  for (const domain of own.filter(other => other !== current && isAlive(other))) {
    const generation = [...(store?.generations.values() ?? [])].find(({ uuid }) => uuid === domain.uuid)
    if (generation && store?.history.some(entry => entry.generation === generation.generation))
      return { domain, generation }
  }
  return undefined
}

function mends(domain: OwnDomain, drift: readonly Drift[]): DomainStep[] {
  const xl = drift.flatMap(({ mend }) => (mend && "xl" in mend ? [mend.xl] : []))
  const places = drift.flatMap(({ mend }) =>
    mend && "place" in mend ? [{ do: "place" as const, ...mend.place }] : [],
  )
  return [...places, ...(xl.length > 0 ? [{ do: "change" as const, domain, xl }] : [])]
}

/** The running domain becomes the wanted generation as it runs, and hands its UUID and ports on. */
function changeLive(
  facts: DomainFacts,
  wanted: DomainWanted,
  { domain, generation }: Serving,
  configuration: DomainConfig,
): DomainPlan | undefined {
  const drift = driftOf(wanted.name, domain, generation, facts)
  if (generation.config === undefined || drift.some(({ mend }) => mend === undefined)) return undefined
  const target = startedAs(wanted.generation, configuration, domain.uuid)
  const xl = liveChanges(generation.config, target.config!)
  if (xl === undefined) return undefined
  const saved = savedChanges(generation.config, target.config!)
  const steps: DomainStep[] = [
    ...discards(facts, [domain]),
    { do: "record", generation: target },
    ...mends(domain, drift),
    ...(xl.length > 0 ? [{ do: "change" as const, domain, xl }] : []),
    { do: "commit", generation: target },
  ]
  const reason = saved.length > 0 ? `${saved.join(", ")} in force from its next start on` : ""
  return { way: "live", reason, target, steps }
}

/** Everything of ours but what is spared: it serves nobody. */
function discards({ own }: DomainFacts, spared: readonly (OwnDomain | undefined)[]): DomainStep[] {
  return own.filter(domain => !spared.includes(domain)).map(domain => ({ do: "discard", domain }))
}

function configurationOf(
  { store }: DomainFacts,
  { name, generation, configuration }: DomainWanted,
): DomainConfig {
  if (configuration !== undefined) return configOf(parse(configuration))
  const config = store?.generations.get(generation)?.config
  if (config === undefined)
    throw new MissingGenerationError(name, generation, [...(store?.generations.keys() ?? [])])
  return withoutIdentity(config)
}

/** A UUID that no domain of the host has: one that was handed on by live changes still runs. */
function freeUuid({ domains, own }: DomainFacts, { urn, generation }: DomainWanted): string {
  const taken = new Set(
    domains
      .filter(domain => own.some(({ id, activity }) => id === domain.id && activity === "running"))
      .map(({ uuid }) => uuid),
  )
  for (let attempt = 0; ; attempt++) {
    const uuid = uuidOf(urn, generation, attempt)
    if (!taken.has(uuid)) return uuid
  }
}
