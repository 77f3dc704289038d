import { configOf, parse } from "xlcfg"
import type { Connection } from "../../ssh/index.ts"
import { installAutostart, NO_SYSTEMD, setAutostart } from "../autostart/autostart.ts"
import { type Refusal, refuse } from "../refusal.ts"
import { refuseStaging, settled } from "../swap/index.ts"
import type { ChangeOptions } from "./acts.ts"
import { carryOut } from "./change.ts"
import { defaultBridge, vifsOf } from "./devices.ts"
import type { DomainFacts } from "./facts.ts"
import { refuseAnswering } from "./inUse.ts"
import { observeDomain } from "./observe.ts"
import { type DomainPlan, planDomain } from "./plan.ts"
import { filesOf, refuseDomain, refuseDomainHost } from "./refusals.ts"
import { runVerb } from "./verbs.ts"
import type { DomainWanted } from "./wanted.ts"

/** What was found, and what follows from it. */
export interface Prepared {
  readonly facts: DomainFacts
  readonly plan: DomainPlan
}

export interface PrepareOptions {
  readonly signal: AbortSignal
  /** What belongs into the host's store may be brought there before the domain is made. Default: false. */
  readonly isPreview?: boolean
  /** Ends a switch of an earlier run. Default: it is looked at as it is. */
  readonly settle?: () => Promise<void>
  /** What only the caller can refuse. */
  readonly further?: (prepared: Prepared) => readonly Refusal[]
}

/**
 * Looks at a domain, and plans. Changes nothing but what `settle` ends.
 *
 * @throws {RefusedError} with all reasons why it cannot be
 */
export async function prepareDomain(
  host: Connection,
  wanted: DomainWanted,
  { signal, isPreview = false, settle, further = () => [] }: PrepareOptions,
): Promise<Prepared> {
  let facts = await lookAtDomain(host, wanted, signal)
  if (settle && facts.switching) {
    await settle()
    facts = await lookAtDomain(host, wanted, signal)
  }
  refuse(host.name, refuseDomainHost(facts, wanted))
  const plan = planDomain(facts, wanted, stagingRefusal(facts, wanted))
  refuse(host.name, [...refuseDomain(facts, wanted, plan, isPreview), ...further({ facts, plan })])
  refuse(host.name, await refuseAnswering(host, plan, wanted, signal))
  return { facts, plan }
}

export interface EnsureOptions extends ChangeOptions {
  /** Called when everything is known and something is about to be changed. */
  readonly onBegin: (prepared: Prepared) => void
}

/** Makes a domain what is wanted. Returns how it then stands, and how it came to that. */
export async function ensureDomain(
  host: Connection,
  wanted: DomainWanted,
  options: EnsureOptions,
): Promise<Prepared> {
  const { name, urn } = wanted
  const { signal } = options
  const { facts, plan } = await prepareDomain(host, wanted, {
    signal,
    settle: () => settled(host, name, options),
  })
  const isOwned = facts.store?.owner === urn
  const isSet = (facts.store?.autostart ?? "") === autostartLine(wanted)
  if (isOwned && isSet && plan.steps.length === 0) return { facts, plan }

  options.onBegin({ facts, plan })
  if (!isOwned) await runVerb(host, name, ["claim", urn, facts.store?.owner ?? ""], { signal })
  await carryOut(host, plan, wanted, options)
  if (!isSet) await setStart(host, wanted, options)
  return { facts: await lookAtDomain(host, wanted, signal), plan }
}

/** The domain as it is now, with what its wanted generation needs of the host. */
export async function lookAtDomain(
  host: Connection,
  { name, uuid, generation, configuration }: DomainWanted,
  signal: AbortSignal,
): Promise<DomainFacts> {
  const config = configuration === undefined ? undefined : configOf(parse(configuration))
  const facts = await observeDomain(host, name, { uuid, ...filesOf(config), signal })
  const stored = facts.store?.generations.get(generation)?.config
  if (config !== undefined || stored === undefined) return facts
  // An earlier generation is wanted: what it needs is known only now.
  return observeDomain(host, name, { uuid, ...filesOf(stored), signal })
}

function stagingRefusal(facts: DomainFacts, wanted: DomainWanted): string | undefined {
  const { addresses, gateways, configuration, generation } = wanted
  const config =
    configuration === undefined
      ? facts.store?.generations.get(generation)?.config
      : configOf(parse(configuration))
  const bridge = vifsOf(config)[0]?.bridge ?? defaultBridge
  return refuseStaging(facts, { bridge, addressing: { addresses, gateways } })
}

type Start = Pick<DomainWanted, "order" | "shutdownTimeout">

const autostartLine = ({ order, shutdownTimeout }: Start): string =>
  order === undefined ? "" : `${order} ${shutdownTimeout}`

/** How the store's word on the domain's start with its host differs from what is wanted, in a sentence. */
export function startDrift({ store }: DomainFacts, wanted: Start): string[] {
  const is = store?.autostart ?? ""
  if (store === undefined || is === autostartLine(wanted)) return []
  return [`its place in the host's start is ${is || "none"} instead of ${autostartLine(wanted) || "none"}`]
}

async function setStart(host: Connection, wanted: DomainWanted, options: EnsureOptions): Promise<void> {
  const { name, order, shutdownTimeout } = wanted
  const { signal } = options
  await host.run(setAutostart(name, order === undefined ? undefined : { order, shutdownTimeout }), { signal })
  if (order === undefined) return
  const { command, stdin } = installAutostart()
  const { exit } = await host.run(command, { stdin, signal, expect: [0, NO_SYSTEMD] })
  if (exit === NO_SYSTEMD)
    options.onWarning(`${host.name} has no systemd: ${name} does not start with its host by itself`)
}
