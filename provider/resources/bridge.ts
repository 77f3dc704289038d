import { readFacts } from "../host/facts/probe.ts"
import { type HostFacts, type Plan, type Refusal, refusal, refuse } from "../host/index.ts"
import { planBridge, planBridgeRemoval, resolveBridge } from "../host/network/bridge.ts"
import { bridgeDrift, lostSince } from "../host/network/drift.ts"
import { silentGateways } from "../host/network/gateways.ts"
import { refuseInUse } from "../host/network/inUse.ts"
import { bridgeRecord } from "../host/network/record.ts"
import { refuseBridge } from "../host/network/refusals.ts"
import { refuseUnread } from "../host/network/unread.ts"
import type { BridgeWanted } from "../host/network/wanted.ts"
import { claim, ownerOf, refuseForeign, release } from "../host/owner.ts"
import { step } from "../host/step.ts"
import { choice, type Fields, type Known, list, optional, type Partly, text } from "../rpc/declare.ts"
import { type Context, defineResource } from "../rpc/resource.ts"
import { type Inputs, inputs, inputsOf, interfaceName, wantedOf } from "./bridgeInputs.ts"
import type { Hosts } from "./connection.ts"
import { changeHost, type HostChange } from "./hostChange.ts"
import { driftChange, lookForDrift, previewHost } from "./hostLook.ts"
import { parseImportId } from "./importId.ts"

const outputs = {
  name: text("name of the bridge, for a domain's vif"),
  port: optional(text("the interface that is its port; absent for an isolated bridge")),
  mac: optional(text("MAC address that it shares with its port")),
  addresses: list("the host's static addresses on it", text("address")),
  manager: text("what configures it: ifupdown, NetworkManager or systemd-networkd"),
  guard: choice("how the guard of the last change ended; none where it could not cut the host off", [
    "none",
    "confirmed",
    "reverted",
  ]),
  drift: list(
    "what has to be done for the bridge to be as wanted again; empty as it should be",
    text("step"),
  ),
} as const satisfies Fields

type Outputs = Known<typeof outputs>

/** The steps to the bridge that is asked for: for the runbook, which makes no mark. */
export function planOfBridge(from: Inputs, facts: HostFacts): Plan {
  return planBridge(facts, wantedOf(from))
}

/** `adopting`: a new resource may take up its own half-made bridge, and no other's. */
function making(wanted: BridgeWanted, urn: string, adopting: boolean): HostChange {
  const mark = `networks/${wanted.name}` as const
  return {
    refusals: facts => [
      ...refuseBridge(facts, wanted),
      ...(adopting ? refuseForeign(facts, mark, urn, bridgeRecord(facts, wanted.name) !== undefined) : []),
    ],
    inquire: async (host, facts, { signal }) => ({
      refusals: await refuseInUse(host, facts, wanted, signal),
    }),
    plan: facts => [...claim(facts, mark, urn), ...planBridge(facts, wanted)],
    missing: (facts, before) => [
      ...planBridge(facts, wanted).flatMap(({ title }) => [title, ...driftWords(facts, wanted)]),
      ...lostSince(facts, before, resolveBridge(facts, wanted)),
    ],
    inquireMissing: (host, facts, before, { signal }) =>
      silentGateways(host, before, resolveBridge(facts, wanted), signal),
  }
}

function driftWords(facts: HostFacts, { name }: BridgeWanted): string[] {
  const record = bridgeRecord(facts, name)
  return record ? bridgeDrift(facts, record.config) : []
}

function removing({ name, window }: BridgeWanted): HostChange {
  const mark = `networks/${name}` as const
  return {
    refusals: facts => [
      ...refuseOccupied(facts, name),
      ...refuseUnread(facts, name, planBridgeRemoval(facts, name)),
    ],
    plan: facts => [
      ...planBridgeRemoval(facts, name, window),
      ...(ownerOf(facts, mark) === undefined
        ? []
        : [step(`Forget whose the bridge ${name} was`, [release(mark)])]),
    ],
    missing: (facts, before) => [
      ...(bridgeRecord(before, name) && facts.network.links.some(link => link.name === name)
        ? [`the bridge ${name} is still there`]
        : []),
      ...(before.network.uplink !== undefined && facts.network.uplink === undefined
        ? ["there is no default route"]
        : []),
    ],
  }
}

/** Whoever is still on the bridge would lose the network with it. */
function refuseOccupied(facts: HostFacts, name: string): Refusal[] {
  const record = bridgeRecord(facts, name)
  const guests = facts.network.links.filter(
    link => record && link.controller === name && link.name !== record.config.port,
  )
  if (guests.length === 0) return []
  return [
    refusal(
      "port-taken",
      `The bridge ${name} still has the ports ${guests.map(link => link.name).join(", ")}.`,
      "Stop the domains on it first.",
    ),
  ]
}

function describe(
  facts: HostFacts,
  { name }: BridgeWanted,
  guard: Outputs["guard"],
  drift: readonly string[],
): Outputs {
  const record = bridgeRecord(facts, name)
  const { port, mac, addressing: has } = record?.config ?? {}
  return {
    name,
    ...(port && { port }),
    ...(mac && { mac }),
    addresses: [...(has?.ipv4.addresses ?? []), ...(has?.ipv6.addresses ?? [])],
    manager: record?.manager ?? facts.network.manager,
    guard,
    drift,
  }
}

/**
 * A bridge, with or without the uplink as its port. Whatever the change does to the network, the host answers
 * afterwards: on its new setting, or on the old one.
 */
export function bridge(hosts: Hosts) {
  async function ensure(
    from: Inputs,
    context: Context<Outputs>,
    before: { adopting: boolean; guard?: Outputs["guard"] | undefined },
  ): Promise<Outputs> {
    const host = await hosts.connect(from.connection, context)
    const wanted = wantedOf(from)
    const guard = wanted.uplink === undefined ? ("none" as const) : ("confirmed" as const)
    const change = making(wanted, context.urn, before.adopting)
    const exists = (facts: HostFacts, how: Outputs["guard"]) =>
      context.exists(wanted.name, describe(facts, wanted, how, []))
    const facts = await changeHost(
      host,
      {
        ...change,
        begin: seen => exists(seen, before.guard ?? "none"),
        reverted: seen => exists(seen, "reverted"),
      },
      context,
    )
    return describe(facts, wanted, guard, [])
  }

  return defineResource({
    description: "A network bridge of a host, which takes over what its uplink has without losing the host.",
    inputs,
    outputs,
    // Two bridges cannot have one uplink.
    deleteBeforeReplace: true,

    async check(news, context) {
      const isolated = news.uplink === undefined && !context.unknown.has("uplink")
      const needs = (property: "vlan" | "addressing", wrong: boolean, reason: string) =>
        isolated && wrong ? [{ property, reason }] : []
      return {
        failures: [
          ...needs("vlan", news.vlan !== undefined, "a VLAN is one of an uplink: give uplink as well"),
          ...needs(
            "addressing",
            news.addressing === "uplink",
            "an isolated bridge has no uplink to take addresses from: give uplink as well",
          ),
        ],
      }
    },

    drift: state => driftChange(state.outputs),

    async preview(news: Partly<Inputs>, context, state): Promise<Partial<Outputs>> {
      if (news.name === undefined) return {}
      const wanted = wantedOf(news as Inputs)
      const change = making(wanted, context.urn, !state)
      // In a replacement the bridge with the other port is still there, and will be gone by then.
      const refusals = (facts: HostFacts) =>
        change.refusals(facts).filter(({ code }) => code !== "port-taken")
      const found = await previewHost(hosts, news.connection, { ...change, refusals }, context)
      if (found && found.plan.length > 0) {
        const ours = found.facts.network.links.flatMap(({ name }) =>
          bridgeRecord(found.facts, name) ? [name] : [],
        )
        refuse(found.host.name, await refuseInUse(found.host, found.facts, wanted, context.signal, ours))
      }
      if (found?.plan.length === 0) {
        return describe(
          found.facts,
          wanted,
          state?.outputs.guard ?? (wanted.uplink ? "confirmed" : "none"),
          [],
        )
      }
      return { name: wanted.name }
    },

    async create(from, context) {
      return { id: from.name, outputs: await ensure(from, context, { adopting: true }) }
    },

    update: (_id, state, from, context) =>
      ensure(from, context, { adopting: false, guard: state.outputs.guard }),

    async read(id, state, context) {
      const host = await hosts.connect(state.inputs.connection, context)
      const wanted = wantedOf(state.inputs)
      const { facts, drift, reverted } = await lookForDrift(host, making(wanted, context.urn, false), context)
      if (bridgeRecord(facts, id) === undefined) return undefined
      const guard = reverted ? "reverted" : (state.outputs.guard ?? "none")
      return { inputs: state.inputs, outputs: describe(facts, wanted, guard, drift) }
    },

    async import(id, context) {
      const { connection, name } = parseImportId(id, "bridges", interfaceName)
      const host = await hosts.connect(connection, context)
      const facts = await readFacts(host, { signal: context.signal })
      const record = bridgeRecord(facts, name)
      if (record === undefined) {
        if (!facts.network.links.some(link => link.name === name)) return undefined
        throw new Error(
          `${host.name}: the bridge ${name} was not made by this program, and its old configuration is not known here. Keep it outside of Pulumi, or remove it and let a Bridge make it.`,
        )
      }
      const inputs = { connection, ...inputsOf(record.config) }
      return { id: name, inputs, outputs: describe(facts, wantedOf(inputs), "none", []) }
    },

    async delete(_id, state, context) {
      const host = await hosts.connect(state.inputs.connection, context)
      await changeHost(host, removing(wantedOf(state.inputs)), context)
    },
  })
}
