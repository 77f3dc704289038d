import type { DomainFacts } from "../../provider/host/domain/facts.ts"
import { observeDomain } from "../../provider/host/domain/observe.ts"
import { checkHealth, type Health, HealthError } from "../../provider/host/swap/index.ts"
import type { ConnectionInput } from "../../provider/resources/connection.ts"
import type { Inputs } from "../../provider/resources/domainInputs.ts"
import { SshError } from "../../provider/ssh/errors.ts"
import type { Connection } from "../../provider/ssh/index.ts"
import type { Deployed } from "../stack/deployed.ts"

export interface DomainStatus {
  readonly resource: string
  readonly name: string
  readonly state: string
  /** What serves, and since when. */
  readonly generation?: string
  readonly since?: string
  /** What an update is under way to. */
  readonly next?: string
  readonly generations: readonly string[]
  /** Of the health check that the program asks for, once, now; absent where the domain does not run. */
  readonly health?: { readonly ok: boolean; readonly reason?: string }
  /** MiB. */
  readonly memory?: number
  readonly vcpus?: number
  readonly uuid?: string
  readonly addresses: readonly string[]
  readonly autostart: boolean
}

export interface HostStatus {
  /** `user@host:port`. */
  readonly host: string
  /** Why the host, or its Xen, does not answer. */
  readonly problem?: string
  /** MiB. */
  readonly totalMemory?: number
  readonly freeMemory?: number
  readonly domains: readonly DomainStatus[]
  /** Domains that are not of this stack. */
  readonly others: readonly string[]
}

type Connect = (input: ConnectionInput) => Promise<Connection>

/** Asks all hosts of a stack at once. One that does not answer is a line of the answer, and no failure. */
export function lookAtHosts(
  domains: readonly Deployed[],
  connect: Connect,
  signal: AbortSignal,
): Promise<HostStatus[]> {
  const byHost = Map.groupBy(domains, ({ inputs: { connection } }) =>
    JSON.stringify([connection.user ?? "root", connection.host, connection.port ?? 22]),
  )
  return Promise.all([...byHost.values()].map(all => lookAtHost(all, connect, signal)))
}

async function lookAtHost(
  deployed: readonly Deployed[],
  connect: Connect,
  signal: AbortSignal,
): Promise<HostStatus> {
  const { connection } = deployed[0]!.inputs
  try {
    const host = await connect(connection)
    const seen = await Promise.all(deployed.map(each => lookAtDomain(host, each, signal)))
    const [{ facts }] = seen as [(typeof seen)[number]]
    const ours = new Set(seen.flatMap(({ facts: { own } }) => own.map(({ uuid }) => uuid)))
    const { usable, problem, totalMemory, freeMemory } = facts.xen
    return {
      host: host.name,
      ...(usable ? { totalMemory, freeMemory } : { problem: problem ?? "Xen does not answer" }),
      domains: seen.map(({ status }) => status),
      others: facts.domains.filter(({ uuid }) => !ours.has(uuid)).map(({ name }) => name),
    }
  } catch (error) {
    if (signal.aborted || !(error instanceof SshError)) throw error
    const { user = "root", host, port = 22 } = connection
    const unknown = ({ resource, inputs }: Deployed): DomainStatus => ({
      ...{ resource, name: inputs.name, state: "unknown", generations: [] },
      ...{ addresses: inputs.addresses, autostart: inputs.autostart },
    })
    const problem = error.message
    return { host: `${user}@${host}:${port}`, problem, domains: deployed.map(unknown), others: [] }
  }
}

async function lookAtDomain(host: Connection, { resource, inputs, outputs }: Deployed, signal: AbortSignal) {
  const facts = await observeDomain(host, inputs.name, { uuid: outputs.uuid, signal })
  const { store } = facts
  const current = store?.current
  const uuid = (current && store?.generations.get(current)?.uuid) ?? outputs.uuid
  const domain =
    facts.own.find(each => each.uuid === uuid) ?? facts.own.find(({ name }) => name === inputs.name)
  const since = store?.history.findLast(({ generation }) => generation === current)?.time
  const health =
    domain?.activity === "running" ? await ask(host, inputs, domain.uuid, facts, signal) : undefined
  const status: DomainStatus = {
    resource,
    name: inputs.name,
    state: domain?.activity ?? "gone",
    ...(current && { generation: current }),
    ...(since && { since }),
    ...(store?.next && { next: store.next }),
    generations: [...(store?.generations.keys() ?? [])],
    ...(health && { health }),
    ...(domain && { memory: domain.memory, vcpus: domain.vcpus, uuid: domain.uuid }),
    addresses: inputs.addresses,
    autostart: store?.autostart !== undefined,
  }
  return { facts, status }
}

/** One look with the program's own check. What its console said at its start is no question of now. */
async function ask(
  host: Connection,
  { name, health = {}, addresses }: Inputs,
  uuid: string,
  { xen }: DomainFacts,
  signal: AbortSignal,
): Promise<DomainStatus["health"]> {
  if (!xen.usable) return undefined
  const { console: _, ...now } = health
  const at = { domain: name, addresses, uuid, consoleLog: "/dev/null" }
  try {
    await checkHealth(host, { ...(now as Health), settle: 0, timeout: 3 }, at, { signal })
    return { ok: true }
  } catch (error) {
    if (!(error instanceof HealthError)) throw error
    return { ok: false, reason: error.fault }
  }
}
