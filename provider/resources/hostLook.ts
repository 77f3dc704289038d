import { type HostFacts, type Plan, refuse } from "../host/index.ts"
import type { Partly } from "../rpc/declare.ts"
import type { Context } from "../rpc/resource.ts"
import { SshError, SudoError } from "../ssh/errors.ts"
import type { Connection } from "../ssh/index.ts"
import type { ConnectionInput, Hosts } from "./connection.ts"
import { type HostChange, refusalsOf, takenBack, tale } from "./hostChange.ts"
import { readTogether } from "./hostRead.ts"

/**
 * How the host differs from what is wanted, in words: the titles of what would be done. `reverted` is whether that was
 * tried, and the host has taken it back.
 */
export async function lookForDrift(host: Connection, change: HostChange, context: Context) {
  const facts = await readTogether(host, change.probe ?? {}, context)
  const plan = change.plan(facts)
  const drift = plan.map(({ title }) => title)
  const earlier = takenBack(facts, plan)
  if (drift.length > 0) {
    const todo = `${host.name} is not as wanted. To be done: ${drift.join("; ")}`
    context.log("warning", earlier ? `${todo}. ${tale(earlier)}` : todo)
  }
  return { facts, drift, reverted: earlier !== undefined }
}

const costs = {
  none: "",
  network: " (guarded: the host takes it back unless it still answers afterwards)",
  boot: " (the machine restarts; guarded: it comes back on its old setting unless it answers afterwards)",
  reboot: " (the machine restarts)",
} as const

/**
 * What would be done to a host, told line by line. A host that does not answer yet is none of a preview's
 * errors: it may be made in the same update. Returns the facts where there are any, and whom to ask further.
 */
export async function previewHost(
  hosts: Hosts,
  connection: Partly<ConnectionInput> | undefined,
  change: HostChange,
  context: Context,
): Promise<{ host: Connection; facts: HostFacts; plan: Plan } | undefined> {
  if (connection?.host === undefined) return undefined
  const { host, facts, reason } = await tryToRead(hosts, connection as ConnectionInput, change, context)
  if (facts === undefined) {
    context.log("info", `${connection.host} cannot be asked yet what would change: ${reason}`)
    return undefined
  }
  refuse(connection.host, refusalsOf(change, facts))
  const plan = change.plan(facts)
  for (const { title, note, risk } of plan) {
    context.log("info", `would ${lowerFirst(title)}${costs[risk]}${note ? `. ${note}` : ""}`)
  }
  return { host, facts, plan }
}

async function tryToRead(hosts: Hosts, input: ConnectionInput, change: HostChange, context: Context) {
  try {
    const host = await hosts.connect(input, context)
    return { host, facts: await readTogether(host, change.probe ?? {}, context) }
  } catch (error) {
    // A host that answers, and lets nobody change it, is none that is yet to be made.
    if (context.signal.aborted || !(error instanceof SshError) || error instanceof SudoError) throw error
    return { reason: error.message }
  }
}

function lowerFirst(title: string): string {
  return `${title[0]!.toLowerCase()}${title.slice(1)}`
}

/** Drift that a refresh found is one change of the output `drift`, and makes the next update converge. */
export function driftChange(outputs: { readonly drift?: readonly string[] | undefined }) {
  const found = (outputs.drift ?? []).length > 0
  return found ? [{ path: "drift", kind: "update" as const, replaces: false, input: false }] : []
}
