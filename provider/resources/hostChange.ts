import { hostname } from "node:os"
import { setTimeout as sleep } from "node:timers/promises"
import { apply, StepError } from "../host/apply.ts"
import { refuseHost } from "../host/boot/refusals.ts"
import { type ProbeOptions, readFacts } from "../host/facts/probe.ts"
import type { GuardFacts } from "../host/facts/types.ts"
import { GuardRevertedError, isRunning } from "../host/guard/guard.ts"
import { isAnotherHost, RESTART_TIME } from "../host/guard/guarded.ts"
import { type HostFacts, type Plan, type Refusal, refuse, type Step } from "../host/index.ts"
import { withHostLock } from "../host/lock.ts"
import type { Context } from "../rpc/resource.ts"
import { SshError } from "../ssh/errors.ts"
import type { Connection } from "../ssh/index.ts"

/** One resource's way with a host: all pure functions of the host's facts. */
export interface HostChange {
  /** What the facts must hold beside what they always do. */
  readonly probe?: Pick<ProbeOptions, "packages">
  /** What must not be attempted, before anything is changed. */
  refusals(facts: HostFacts): readonly Refusal[]
  /** The same, for what only a further question to the host can tell; asked when there is something to do. */
  inquire?(host: Connection, facts: HostFacts, context: Context): Promise<Inquiry>
  /** The least that leads to what is wanted; `[]` when all is as wanted. */
  plan(facts: HostFacts): Plan
  /**
   * What is not as wanted, in words; `[]` is the proof.
   *
   * @param step after which this is asked, where more of the plan is to come. Default: all was carried out
   */
  missing(facts: HostFacts, before: HostFacts, step?: Step): readonly string[]
  /** The same, for what only a further question to the host can tell; asked when nothing else is missing. */
  inquireMissing?(
    host: Connection,
    facts: HostFacts,
    before: HostFacts,
    context: Context,
  ): Promise<readonly string[]>
  /** Called when the first step is about to be taken: from here on something may exist. */
  begin?(facts: HostFacts): void
  /** Called when the host has taken the change back. */
  reverted?(facts: HostFacts): void
}

/** What a further question has told. */
export interface Inquiry {
  readonly refusals: readonly Refusal[]
  /** The facts with what is known now: what is done is planned from these. Default: those that there were. */
  readonly facts?: HostFacts
}

/** After its change the host is not what was wanted, though no step failed. */
export class NotAsWantedError extends Error {
  override readonly name = "NotAsWantedError"
  readonly host: string
  readonly missing: readonly string[]

  constructor(host: string, missing: readonly string[]) {
    super(`${host}: the change was made, but the host is not as wanted: ${missing.join("; ")}`)
    this.host = host
    this.missing = missing
  }
}

type Look = (connection: Connection) => Promise<HostFacts>

/** Facts, refusals, plan, steps, proof, under the host's lock. Returns the facts of the host as it is then. */
export async function changeHost(host: Connection, change: HostChange, context: Context): Promise<HostFacts> {
  const look: Look = connection => readFacts(connection, { ...change.probe, signal: context.signal })
  for (;;) {
    const changed = await withHostLock(host, lockOptions(context), async () => {
      const before = await look(host)
      const pending = await pendingGuard(host, before)
      return pending ? { pending } : { after: await changeFrom(host, before, look, change, context) }
    })
    if ("after" in changed) return changed.after
    // Not under the lock: it would end with the restart that a guard may make.
    await guardEnds(host, changed.pending, look, context)
  }
}

async function changeFrom(
  host: Connection,
  before: HostFacts,
  look: Look,
  change: HostChange,
  context: Context,
): Promise<HostFacts> {
  refuse(host.name, refusalsOf(change, before))
  if (change.plan(before).length === 0) return before
  const inquiry = await change.inquire?.(host, before, context)
  refuse(host.name, inquiry?.refusals ?? [])
  const plan = change.plan(inquiry?.facts ?? before)
  const earlier = takenBack(before, plan)
  if (earlier) context.log("warning", tale(earlier))
  change.begin?.(before)
  const prove = async (connection: Connection, step?: Step): Promise<HostFacts> => {
    const facts = await look(connection)
    const seen = change.missing(facts, before, step === plan.at(-1) ? undefined : step)
    const asked = seen.length > 0 ? [] : await change.inquireMissing?.(connection, facts, before, context)
    const missing = [...seen, ...(asked ?? [])]
    if (missing.length > 0) throw new NotAsWantedError(connection.name, missing)
    return facts
  }
  // Its own connection: a restart closes the one that it was begun over, and the pool's is for everybody.
  const own = await host.fresh({ signal: context.signal })
  try {
    await apply(own, plan, {
      verify: async (fresh, step) => void (await prove(fresh, step)),
      signal: context.signal,
      onStatus: statusLine(context),
    })
    context.progress("looking whether the host is as wanted")
  } catch (error) {
    if (error instanceof StepError && error.cause instanceof GuardRevertedError) change.reverted?.(before)
    throw error
  } finally {
    await own.close()
  }
  await answering(host, context)
  const after = plan.at(-1)?.guard ? await look(host) : await prove(host)
  tellGuards(before, after, context)
  return after
}

/** Seconds that a host may take, beyond the deadline of a guard, to be back on its old setting. */
const revertTime = 240

/**
 * A guard that is armed was armed by a run that was killed, or that waits for the host to answer again: either way it
 * ends by itself, confirmed or taken back, and only then the facts are what plans can be made from.
 */
async function pendingGuard(host: Connection, facts: HostFacts): Promise<GuardFacts | undefined> {
  const pending = facts.guards.find(
    ({ state, deadline }) =>
      (state === "armed" || state === "reverting") && facts.clock < deadline + revertTime,
  )
  if (pending?.state === "armed" && !(await isRunning(host, pending.name))) return undefined
  return pending
}

/** Waits until a guard has ended, through the restart that it may make. */
async function guardEnds(
  host: Connection,
  { title, deadline }: GuardFacts,
  look: Look,
  context: Context,
): Promise<void> {
  const { signal } = context
  let left = 0
  for (let last = Date.now() + RESTART_TIME * 1000; ; await sleep(1000, undefined, { signal })) {
    try {
      const facts = await look(host)
      if ((await pendingGuard(host, facts)) === undefined) return
      left = Math.max(0, deadline - facts.clock)
      last = Date.now() + (left + RESTART_TIME) * 1000
    } catch (error) {
      const lost = error instanceof SshError && !isAnotherHost(error)
      if (signal.aborted || !lost || Date.now() > last) throw error
    }
    context.progress(`waiting for the guard of an earlier run ("${title}"): at most ${left} s more`)
  }
}

/** Whoever may not change the host need not try. */
export function refusalsOf(change: HostChange, facts: HostFacts): readonly Refusal[] {
  const mayNot = refuseHost(facts).filter(({ code }) => code === "root")
  return [...mayNot, ...change.refusals(facts).filter(({ code }) => code !== "root")]
}

/** A package tool reports each file of hundreds: of a step's details, one a second is what a person can read. */
function statusLine(context: Context): (text: string) => void {
  let shown = { head: "", at: 0 }
  return text => {
    const head = text.replace(/[:,].*$/s, "")
    const isTitle = head !== shown.head
    if (!isTitle && Date.now() - shown.at < 1000) return
    // The first detail follows its title at once, however short the step is.
    shown = { head, at: isTitle ? 0 : Date.now() }
    context.progress(text)
  }
}

/**
 * The guard that has taken a change of the plan back in an earlier run, which may have been killed before it could tell. It
 * is on record until the next change of its kind.
 */
export function takenBack(facts: HostFacts, plan: Plan): GuardFacts | undefined {
  return facts.guards.find(
    ({ name, title, state }) =>
      state === "reverted" && plan.some(step => step.guard?.name === name && step.title === title),
  )
}

/** What it did, in a sentence. */
export const tale = ({ title, log }: GuardFacts): string =>
  `The host has taken an earlier try back ("${title}"). What its guard did: ${log.join("; ")}`

/** What the guards did meanwhile, for the user. */
function tellGuards(before: HostFacts, after: HostFacts, context: Context): void {
  for (const { token, title, log } of after.guards) {
    if (before.guards.some(known => known.token === token)) continue
    context.log("info", `guard of "${title}": ${log.join("; ")}`)
  }
}

/**
 * Waits until the host answers over the pooled connection. A restart or a new setting may have killed that unseen: it is
 * found to be lost now, and not by the next resource.
 */
async function answering(host: Connection, { signal }: Context): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await host.run(["true"], { timeout: 15_000, signal })
      return
    } catch (error) {
      if (signal.aborted || tries === 30) throw error
      await sleep(1000, undefined, { signal })
    }
  }
}

function lockOptions(context: Context) {
  const [stack = "", project = ""] = context.urn.replace(/^urn:pulumi:/, "").split("::")
  return {
    holder: `${project}/${stack} by ${process.env.USER ?? `user ${process.getuid?.()}`}@${hostname()}, process ${process.pid}`,
    signal: context.signal,
    onStatus: (text: string) => context.progress(text),
  }
}
