import { createHash } from "node:crypto"
import { configOf, generate, parse } from "xlcfg"
import { macsOf } from "../host/domain/devices.ts"
import { domainDrift } from "../host/domain/drift.ts"
import { ensureDomain, type Prepared, prepareDomain, startDrift } from "../host/domain/ensure.ts"
import type { DomainFacts } from "../host/domain/facts.ts"
import { configOfDetails, lostInImport } from "../host/domain/import.ts"
import { MemoryLedger } from "../host/domain/memory.ts"
import { consoleLogPath, domainName, generationOf } from "../host/domain/names.ts"
import { observeDomain } from "../host/domain/observe.ts"
import { filesOf } from "../host/domain/refusals.ts"
import { removeDomain } from "../host/domain/remove.ts"
import { adopt, serving } from "../host/domain/standing.ts"
import { type DomainWanted, withoutIdentity } from "../host/domain/wanted.ts"
import { type Context, defineResource, type Imported } from "../rpc/resource.ts"
import { SshError } from "../ssh/errors.ts"
import type { ConnectionInput, Hosts } from "./connection.ts"
import { checkDomain } from "./domainCheck.ts"
import { defaults, type Inputs, inputs, type Outputs, outputs } from "./domainInputs.ts"
import { previewLine } from "./domainPreview.ts"
import { given } from "./given.ts"
import { driftChange } from "./hostLook.ts"
import { parseImportId } from "./importId.ts"

/** A domain of a Xen host: started, checked, updated without a lost request, and put back when an update fails. */
export function domain(hosts: Hosts) {
  const ledger = new MemoryLedger()

  async function ensure(
    from: Inputs,
    uuid: string | undefined,
    context: Context<Outputs>,
  ): Promise<{ id: string; outputs: Outputs }> {
    const host = await hosts.connect(from.connection, context)
    const wanted = wantedOf(from, context.urn, uuid)
    const { facts, plan } = await ensureDomain(host, wanted, {
      signal: context.signal,
      onStatus: text => context.progress(text),
      onWarning: text => context.log("warning", text),
      onBegin: ({ facts: before, plan: next }) => {
        if (next.way === "recreate" || next.way === "live")
          context.log("info", previewLine(wanted, next).replace(/^would /, ""))
        context.exists(wanted.name, describe(before, wanted, next.way))
      },
    })
    return { id: wanted.name, outputs: describe(facts, wanted, plan.way) }
  }

  return defineResource({
    description: "A domain of a Xen host: its configuration, its health, and how it is updated.",
    inputs,
    outputs,
    // Boot, settling, drain and probation take their time, and a host in software emulation takes more.
    defaultTimeout: 20,

    check: checkDomain,

    drift(state) {
      return driftChange(state.outputs)
    },

    async preview(news, context, state) {
      const from = news as Inputs
      if (from.name === undefined || (from.configuration === undefined && from.generation === undefined))
        return {}
      const wanted = wantedOf(from, context.urn, state?.outputs.uuid)
      const prepared = await look(from.connection, wanted, context)
      if (prepared === undefined) return {}
      const { plan } = prepared
      if (plan.way !== "none") context.log("info", previewLine(wanted, plan))
      // Pulumi shows a text of several lines whole where it changes, and cut short where it is new.
      if (state === undefined && from.configuration !== undefined)
        context.log("info", `configuration of ${wanted.name}:\n${from.configuration}`)
      const { name, generation, configurationDigest, macs, addresses, consoleLog } = describe(
        prepared.facts,
        wanted,
        plan.way,
      )
      return {
        name,
        generation,
        configurationDigest,
        macs,
        addresses,
        consoleLog,
        strategy: plan.way,
        drift: [],
      }
    },

    create: (from, context) => ensure(from, undefined, context),

    async update(_id, state, news, context) {
      return (await ensure(news, state.outputs.uuid, context)).outputs
    },

    async read(_id, state, context) {
      const host = await hosts.connect(state.inputs.connection, context)
      const { uuid, generation = "" } = state.outputs
      const { signal } = context
      const facts = await observeDomain(host, state.inputs.name, { uuid, signal })
      if (facts.store === undefined && facts.own.length === 0) return undefined
      const { autostart, order, shutdownTimeout } = state.inputs
      const start = { order: autostart ? order : undefined, shutdownTimeout }
      const drift = [...domainDrift(state.inputs.name, generation, facts), ...startDrift(facts, start)]
      if (drift.length > 0)
        context.log(
          "warning",
          `${state.inputs.name} on ${host.name} is not as it should be: ${drift.join("; ")}`,
        )
      const it = standing(facts, state.inputs.name)
      const seen = {
        state: it?.domain.activity ?? ("gone" as const),
        drift,
        ...(it && { uuid: it.domain.uuid }),
      }
      return { inputs: state.inputs, outputs: { ...state.outputs, ...seen } }
    },

    async import(id, context) {
      const { connection, name } = parseImportId(id, "domains", domainName)
      return importDomain(connection, name, context)
    },

    async delete(_id, state, context) {
      const { connection, name, shutdownTimeout } = state.inputs
      const host = await hosts.connect(connection, context)
      const { signal, urn } = context
      const facts = await observeDomain(host, name, { uuid: state.outputs.uuid, signal })
      if (
        facts.store?.owner !== undefined &&
        facts.store.owner !== urn &&
        !isKnown(facts, state.outputs.uuid)
      ) {
        context.log(
          "warning",
          `${name} on ${host.name} belongs to ${facts.store.owner} by now, and is left alone`,
        )
        return
      }
      const onStatus = (text: string) => context.progress(text)
      await removeDomain(host, facts, { name, urn, shutdownTimeout }, { signal, onStatus })
    },
  })

  /** A host that does not answer yet is none of a preview's errors: it may be made in the same update. */
  async function look(
    connection: ConnectionInput | undefined,
    wanted: DomainWanted,
    context: Context,
  ): Promise<Prepared | undefined> {
    if (connection?.host === undefined) return undefined
    try {
      const host = await hosts.connect(connection, context)
      return await prepareDomain(host, wanted, {
        signal: context.signal,
        isPreview: true,
        further: ({ facts, plan }) => ledger.account(host.name, wanted.name, facts, plan),
      })
    } catch (error) {
      if (context.signal.aborted || !(error instanceof SshError)) throw error
      context.log("info", `${connection.host} cannot be asked yet what would change: ${error.message}`)
      return undefined
    }
  }

  async function importDomain(
    connection: ConnectionInput,
    name: string,
    context: Context,
  ): Promise<Imported<typeof inputs, typeof outputs> | undefined> {
    const host = await hosts.connect(connection, context)
    const { signal } = context
    const { named } = await observeDomain(host, name, { signal })
    if (named === undefined) return undefined
    const lost = lostInImport(named.details)
    if (lost.length > 0)
      context.log(
        "warning",
        `${name} has ${lost.join(", ")}, which an import does not take over: add them to its configuration`,
      )
    const configuration = generate(withoutIdentity({ ...configOfDetails(named.details), name }))
    // What a running domain does not tell is as if the program had left it out.
    const from: Inputs = { ...defaults, connection, name, configuration }
    const wanted = wantedOf(from, context.urn, named.uuid)
    const facts = await observeDomain(host, name, {
      uuid: named.uuid,
      ...filesOf(configOf(parse(configuration))),
      signal,
    })
    return { id: name, inputs: from, outputs: describe(facts, wanted, "none") }
  }
}

function wantedOf(from: Inputs, urn: string, uuid: string | undefined): DomainWanted {
  const { name, addresses, gateways, strategy, drain, probation, shutdownTimeout, keep } = from
  const digests = (from.disks ?? []).flatMap(({ digest }) => (digest === undefined ? [] : [digest]))
  const pinned = from.generation !== undefined
  return {
    ...{ name, urn, uuid, addresses, gateways, strategy, drain, probation, shutdownTimeout, keep },
    generation: from.generation ?? generationOf(from.configuration!, digests),
    configuration: pinned ? undefined : from.configuration,
    health: healthOf(from.health),
    order: from.autostart ? from.order : undefined,
  }
}

function healthOf(health: Inputs["health"] = {}): DomainWanted["health"] {
  const { http, tcp, ...rest } = health
  return { ...given(rest), ...(http && { http: given(http) }), ...(tcp && { tcp }) }
}

function standing(facts: DomainFacts, name: string) {
  return serving(adopt(facts, name, facts.own.find(({ activity }) => activity === "running")?.uuid).facts)
}

function isKnown({ store }: DomainFacts, uuid: string | undefined): boolean {
  return uuid !== undefined && [...(store?.generations.values() ?? [])].some(stored => stored.uuid === uuid)
}

function describe(facts: DomainFacts, wanted: DomainWanted, way: Outputs["strategy"]): Outputs {
  const { name, generation, addresses } = wanted
  const it = standing(facts, name)
  const config =
    wanted.configuration === undefined
      ? facts.store?.generations.get(generation)?.config
      : configOf(parse(wanted.configuration))
  const text = config === undefined ? "" : generate(withoutIdentity(config))
  const kernelDigest = config?.kernel === undefined ? undefined : facts.kernels.get(config.kernel)
  return {
    name,
    generation,
    configurationDigest: createHash("sha256").update(text).digest("hex"),
    macs: macsOf(config),
    addresses,
    strategy: way,
    consoleLog: consoleLogPath(name, generation),
    state: it?.domain.activity ?? "gone",
    drift: [],
    ...(it && { uuid: it.domain.uuid }),
    ...(kernelDigest !== undefined && { kernelDigest }),
  }
}
