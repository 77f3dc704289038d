import { hostname } from "node:os"
import { setTimeout as sleep } from "node:timers/promises"
import { apply } from "../host/apply.ts"
import { refuseHost } from "../host/boot/refusals.ts"
import { type ProbeOptions, readFacts } from "../host/facts/probe.ts"
import { isRunning } from "../host/guard/guard.ts"
import { type HostFacts, type Plan, type Refusal, refuse } from "../host/index.ts"
import { withHostLock } from "../host/lock.ts"
import type { Context } from "../rpc/resource.ts"
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
  /** What is not as wanted, in words, once the plan was carried out; `[]` is the proof. */
  missing(facts: HostFacts, before: HostFacts): readonly string[]
  /** Called when the first step is about to be taken: from here on something may exist. */
  begin?(facts: HostFacts): void
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

/** Facts, refusals, plan, steps, proof, under the host's lock. Returns the facts of the host as it is then. */
export async function changeHost(host: Connection, change: HostChange, context: Context): Promise<HostFacts> {
  const look = (connection: Connection) => readFacts(connection, { ...change.probe, signal: context.signal })
  return withHostLock(host, lockOptions(context), async () => {
    const before = await settled(host, look, context)
    refuse(host.name, refusalsOf(change, before))
    if (change.plan(before).length === 0) return before
    const inquiry = await change.inquire?.(host, before, context)
    refuse(host.name, inquiry?.refusals ?? [])
    const plan = change.plan(inquiry?.facts ?? before)
    change.begin?.(before)
    const prove = async (connection: Connection): Promise<HostFacts> => {
      const facts = await look(connection)
      const missing = change.missing(facts, before)
      if (missing.length > 0) throw new NotAsWantedError(connection.name, missing)
      return facts
    }
    // Its own connection: a restart closes the one that it was begun over, and the pool's is for everybody.
    const own = await host.fresh({ signal: context.signal })
    try {
      await apply(own, plan, {
        verify: async fresh => void (await prove(fresh)),
        signal: context.signal,
        onStatus: statusLine(context),
      })
    } finally {
      await own.close()
    }
    await answering(host, context)
    const after = plan.some(step => step.guard) ? await look(host) : await prove(host)
    tellGuards(before, after, context)
    return after
  })
}

/** Seconds that a host may take, beyond the deadline of a guard, to be back on its old setting. */
const revertTime = 240

/**
 * A guard that is armed was armed by a run that was killed, or that waits for the host to answer again: either way it
 * ends by itself, confirmed or taken back, and only then the facts are what plans can be made from.
 */
async function settled(
  host: Connection,
  look: (host: Connection) => Promise<HostFacts>,
  context: Context,
): Promise<HostFacts> {
  for (;;) {
    const facts = await look(host)
    const pending = facts.guards.find(
      ({ state, deadline }) =>
        (state === "armed" || state === "reverting") && facts.clock < deadline + revertTime,
    )
    if (pending === undefined) return facts
    if (pending.state === "armed" && !(await isRunning(host, pending.name))) return facts
    const left = Math.max(0, pending.deadline - facts.clock)
    context.progress(`waiting for the guard of an earlier run ("${pending.title}"): at most ${left} s more`)
    await sleep(1000, undefined, { signal: context.signal })
    await answering(host, context)
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
