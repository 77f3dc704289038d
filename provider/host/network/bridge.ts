import type { HostFacts, NetworkManagerName } from "../facts/types.ts"
import { noted, type Originals, setFiles } from "../originals.ts"
import { recordPath, recordText, removeRecord } from "../records.ts"
import { type Action, type GuardHooks, type Plan, remove, run, type Step, write } from "../step.ts"
import { addressingOf } from "./addressing.ts"
import type { Backend } from "./backend.ts"
import { bridgeDrift } from "./drift.ts"
import { ifupdown } from "./ifupdown.ts"
import { networkd } from "./networkd.ts"
import { networkManager } from "./networkManager.ts"
import { type BridgeRecord, bridgeRecord, recordName } from "./record.ts"
import { unreadWords } from "./unread.ts"
import { type Addressing, type BridgeConfig, type BridgeWanted, NO_ADDRESSING } from "./wanted.ts"

export const BACKENDS: Partial<Record<NetworkManagerName, Backend>> = {
  ifupdown,
  NetworkManager: networkManager,
  "systemd-networkd": networkd,
}

/**
 * The bridge in full. What the uplink has is read once, when the bridge is made, and recorded: afterwards it
 * is the bridge that has it.
 */
export function resolveBridge(facts: HostFacts, wanted: BridgeWanted): BridgeConfig {
  const { name, uplink, vlan, extraAddresses = [] } = wanted
  const recorded = bridgeRecord(facts, name)?.config
  const link = facts.network.links.find(one => one.name === uplink)
  const port = uplink === undefined ? undefined : vlan === undefined ? uplink : `${uplink}.${vlan}`
  const asked = wanted.addressing ?? (uplink !== undefined && vlan === undefined ? "uplink" : NO_ADDRESSING)
  const taken = recorded?.uplink === uplink && recorded?.vlan === vlan ? recorded?.taken : undefined
  const found =
    taken ?? (asked === "uplink" && uplink !== undefined ? addressingOf(facts, uplink) : undefined)
  const mac = recorded?.uplink === uplink ? recorded?.mac : link?.mac
  return {
    name,
    ...(uplink === undefined ? {} : { uplink }),
    ...(vlan === undefined ? {} : { vlan }),
    ...(port === undefined ? {} : { port }),
    ...(mac === undefined || mac === "" ? {} : { mac }),
    ...(link === undefined || link.mtu === 1500 ? {} : { mtu: link.mtu }),
    ...(asked === "uplink" && found ? { taken: found } : {}),
    addressing: withExtra(asked === "uplink" ? (found ?? NO_ADDRESSING) : asked, extraAddresses),
  }
}

function withExtra(addressing: Addressing, extra: readonly string[]): Addressing {
  const add = (six: boolean, addresses: readonly string[]) => [
    ...new Set([...addresses, ...extra.filter(address => address.includes(":") === six)]),
  ]
  return {
    ...addressing,
    ipv4: { ...addressing.ipv4, addresses: add(false, addressing.ipv4.addresses) },
    ipv6: { ...addressing.ipv6, addresses: add(true, addressing.ipv6.addresses) },
  }
}

/** The least that makes the bridge as wanted: its files, and the switch to them, in one guarded step. */
export function planBridge(facts: HostFacts, wanted: BridgeWanted): Plan {
  const record = bridgeRecord(facts, wanted.name)
  const manager = record?.manager ?? facts.network.manager
  const backend = BACKENDS[manager]
  if (!backend) return []
  const config = resolveBridge(facts, wanted)
  const files = backend.files(facts, config, record?.originals ?? {})
  const present = (path: string) => facts.network.files[path] ?? facts.files[path]
  const now = (paths: readonly string[]) =>
    Object.fromEntries(paths.map(path => [path, present(path) ?? null]))
  const originals = noted(record?.originals, now(Object.keys(files)))
  const next: BridgeRecord = { manager, config, originals }
  const all = { ...files, [recordPath(recordName(config.name))]: recordText(next) }
  const changed = Object.entries(all).filter(([path, content]) => present(path) !== content)
  const stale = Object.keys(record?.originals ?? {}).filter(
    path => !(path in files) && record!.originals[path] === null && present(path) !== undefined,
  )
  if (changed.length === 0 && stale.length === 0 && bridgeDrift(facts, config).length === 0) return []
  const exists = facts.network.links.some(link => link.name === config.name)
  return [
    guardedStep(facts, config, wanted.window, {
      title: `${exists ? "Change" : "Make"} the bridge ${config.name}${config.port ? ` with ${config.port} as its port` : ""}`,
      note: [addressingWords(config), ...unreadWords(facts, record, Object.fromEntries(changed))].join(" "),
      actions: [
        ...(exists ? backend.withdraw(facts, config) : backend.prepare(facts, config)).map(command =>
          run(command),
        ),
        ...changed.map(([path, content]) => write(path, content, fileMode(path))),
        ...stale.map(path => remove(path)),
        ...backend.change(facts, config).map(command => run(command)),
      ],
      before: backend.withdraw(facts, config),
      after: exists ? backend.change(facts, config) : backend.restore(facts, config),
      originals: now(changed.map(([path]) => path)),
    }),
  ]
}

/** The way back: the files as they were, and what they configure. `[]` when nothing was ever done. */
export function planBridgeRemoval(facts: HostFacts, name: string, window?: number): Plan {
  const record = bridgeRecord(facts, name)
  const backend = record && BACKENDS[record.manager]
  if (!record || !backend) return []
  const { config } = record
  const originals = backend.back?.(facts, config, record.originals) ?? record.originals
  const current = Object.keys(originals).filter(path => facts.network.files[path] !== undefined)
  return [
    guardedStep(facts, config, window, {
      title: `Remove the bridge ${name}${config.uplink ? ` and give ${config.uplink} its old configuration back` : ""}`,
      note: "",
      actions: [
        ...backend.withdraw(facts, config).map(command => run(command)),
        ...setFiles(originals, fileMode),
        removeRecord(recordName(name)),
        ...backend.restore(facts, config).map(command => run(command)),
      ],
      before: backend.prepare(facts, config),
      after: backend.change(facts, config),
      originals: Object.fromEntries(current.map(path => [path, facts.network.files[path]!])),
    }),
  ]
}

/** NetworkManager refuses a profile that others can read. */
function fileMode(path: string): number {
  return path.endsWith(".nmconnection") ? 0o600 : 0o644
}

interface GuardedParts {
  readonly title: string
  readonly note: string
  readonly actions: readonly Action[]
  readonly before: GuardHooks["before"]
  readonly after: GuardHooks["after"]
  readonly originals: Originals
}

function guardedStep(facts: HostFacts, config: BridgeConfig, window = 60, parts: GuardedParts): Step {
  const { title, note, actions, before, after, originals } = parts
  const undo = [
    ...before.map(command => run(command)),
    ...setFiles(originals, fileMode),
    ...after.map(command => run(command)),
  ]
  const shared = { title, actions, undo, ...(note ? { note } : {}) }
  // An isolated bridge touches nothing that carries the connection.
  if (config.uplink === undefined) return { ...shared, risk: "none" }
  const check = oldSettingWorks(facts)
  return {
    ...shared,
    risk: "network",
    guard: { name: "network", window, before, after, afterBoot: [], ...(check ? { check } : {}) },
  }
}

/** Succeeds when the machine has a default route again in each family in which it has one now. */
function oldSettingWorks({ network }: HostFacts): readonly string[] | undefined {
  const families = [4, 6].filter(number =>
    network.routes.some(({ family, destination }) => family === number && destination === "default"),
  )
  // IPv6 alone decides only where there is nothing else: router advertisements take their time.
  const decisive = families[0]
  return decisive ? ["sh", "-c", `ip -${decisive} route show default | grep -q .`] : undefined
}

function addressingWords({ addressing: { ipv4, ipv6 }, uplink }: BridgeConfig): string {
  const words = [
    ...(ipv4.automatic ? ["an address by DHCP"] : []),
    ...(ipv6.automatic ? ["IPv6 by router advertisement"] : []),
    ...ipv4.addresses,
    ...ipv6.addresses,
    ...(ipv4.gateway ? [`gateway ${ipv4.gateway}`] : []),
    ...(ipv6.gateway ? [`gateway ${ipv6.gateway}`] : []),
  ]
  if (words.length === 0) return uplink ? "The host itself has no address on it." : "It is isolated."
  return `The host has on it: ${words.join(", ")}.`
}
