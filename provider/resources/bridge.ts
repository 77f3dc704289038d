import { type HostFacts, type Plan, type Refusal, refusal } from "../host/index.ts"
import { bridgeRecord, planBridge, planBridgeRemoval } from "../host/network/bridge.ts"
import { bridgeDrift } from "../host/network/drift.ts"
import { refuseInUse } from "../host/network/inUse.ts"
import { refuseBridge } from "../host/network/refusals.ts"
import type { Addressing, BridgeWanted, FamilyAddressing } from "../host/network/wanted.ts"
import { claim, ownerOf, refuseForeign, release } from "../host/owner.ts"
import { step } from "../host/step.ts"
import {
  choice,
  either,
  type Fields,
  flag,
  incidental,
  integer,
  type Known,
  list,
  object,
  optional,
  type Partly,
  replaces,
  text,
  withDefault,
} from "../rpc/declare.ts"
import { type Context, defineResource } from "../rpc/resource.ts"
import { connection, type Hosts } from "./connection.ts"
import { changeHost, driftChange, given, type HostChange, lookForDrift, previewHost } from "./hostChange.ts"

// dev_valid_name of net/core/dev.c, less what the network managers' files do not take.
const interfaceName = {
  pattern: /[A-Za-z0-9][A-Za-z0-9_.-]{0,14}/,
  says: "an interface's name: at most 15 letters, digits, dots, hyphens and underscores",
}
const cidr = {
  pattern: /[0-9A-Fa-f.:]+\/[0-9]{1,3}/,
  says: 'an address with its prefix length, such as "192.0.2.7/24" or "2001:db8::7/64"',
}
const address = { pattern: /[0-9A-Fa-f.:]+/, says: "an IP address" }
const prefix = {
  pattern: /default|[0-9A-Fa-f.:]+(\/[0-9]{1,3})?/,
  says: 'a prefix, such as "198.51.100.0/24"',
}

const family = (automatic: string) =>
  object("one address family", "FamilyAddressing", {
    automatic: withDefault(flag(automatic), false),
    addresses: withDefault(list("addresses with their prefix length", text("address", cidr)), []),
    gateway: optional(text("default gateway", address)),
  })

const addressing = object("what the host has on the bridge", "BridgeAddressing", {
  ipv4: optional(family("whether the network gives addresses: DHCP, or router advertisements for IPv6")),
  ipv6: optional(family("whether the network gives addresses: DHCP, or router advertisements for IPv6")),
  routes: withDefault(
    list(
      "routes beside the default one",
      object("route", "StaticRoute", {
        destination: text("prefix", prefix),
        gateway: optional(text("gateway", address)),
        metric: optional(integer("the lower one wins", { min: 0 })),
      }),
    ),
    [],
  ),
  dns: withDefault(list("name servers", text("name server", address)), []),
  search: withDefault(list("search domains", text("domain")), []),
})

const inputs = {
  connection,
  name: replaces(text("name of the bridge", interfaceName)),
  uplink: optional(
    text("interface that becomes the bridge's port; without it the bridge is isolated", interfaceName),
  ),
  vlan: optional(
    integer("the port is this VLAN of the uplink, and not the uplink itself", { min: 1, max: 4094 }),
  ),
  addressing: optional(
    either(
      "what the host has on it: uplink (all that the uplink has; the default there), none, or this",
      choice("addressing", ["uplink", "none"]),
      addressing,
    ),
  ),
  extraAddresses: withDefault(
    list("addresses beside these, with their prefix length", text("address", cidr)),
    [],
  ),
  window: withDefault(
    incidental(integer("seconds in which the host must answer again after a change", { min: 10, max: 3600 })),
    60,
  ),
} as const satisfies Fields

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

type Inputs = Known<typeof inputs>
type Outputs = Known<typeof outputs>

const noFamily: FamilyAddressing = { automatic: false, addresses: [] }

function wantedOf({ connection: _, addressing: asked, ...rest }: Inputs): BridgeWanted {
  return given({ ...rest, addressing: asked === undefined ? undefined : addressingOf(asked) })
}

function addressingOf(asked: NonNullable<Inputs["addressing"]>): "uplink" | Addressing {
  if (asked === "uplink") return asked
  const { ipv4, ipv6, routes = [], dns: servers = [], search = [] } = asked === "none" ? {} : asked
  return {
    ipv4: ipv4 ? given(ipv4) : noFamily,
    ipv6: ipv6 ? given(ipv6) : noFamily,
    routes: routes.map(given),
    dns: { servers, search },
  }
}

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
    inquire: (host, facts, { signal }) => refuseInUse(host, facts, wanted, signal),
    plan: facts => [...claim(facts, mark, urn), ...planBridge(facts, wanted)],
    missing: facts => planBridge(facts, wanted).flatMap(({ title }) => [title, ...driftWords(facts, wanted)]),
  }
}

function driftWords(facts: HostFacts, { name }: BridgeWanted): string[] {
  const record = bridgeRecord(facts, name)
  return record ? bridgeDrift(facts, record.config) : []
}

function removing({ name, window }: BridgeWanted): HostChange {
  const mark = `networks/${name}` as const
  return {
    refusals: facts => refuseOccupied(facts, name),
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
  async function ensure(from: Inputs, context: Context<Outputs>, adopting: boolean): Promise<Outputs> {
    const host = await hosts.connect(from.connection, context)
    const wanted = wantedOf(from)
    const guard = wanted.uplink === undefined ? ("none" as const) : ("confirmed" as const)
    const change = making(wanted, context.urn, adopting)
    const begin = (facts: HostFacts) =>
      context.exists(
        wanted.name,
        describe(facts, wanted, wanted.uplink === undefined ? "none" : "reverted", []),
      )
    const facts = await changeHost(host, { ...change, begin }, context)
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
      const found = await previewHost(hosts, news.connection, making(wanted, context.urn, !state), context)
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
      return { id: from.name, outputs: await ensure(from, context, true) }
    },

    update: (_id, _state, from, context) => ensure(from, context, false),

    async read(id, state, context) {
      const host = await hosts.connect(state.inputs.connection, context)
      const wanted = wantedOf(state.inputs)
      const { facts, drift } = await lookForDrift(host, making(wanted, context.urn, false), context)
      if (bridgeRecord(facts, id) === undefined) return undefined
      const guard = state.outputs.guard ?? "none"
      return { inputs: state.inputs, outputs: describe(facts, wanted, guard, drift) }
    },

    async delete(_id, state, context) {
      const host = await hosts.connect(state.inputs.connection, context)
      await changeHost(host, removing(wantedOf(state.inputs)), context)
    },
  })
}
