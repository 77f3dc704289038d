import { isIP } from "node:net"
import type { HostFacts, Link, NetworkManagerName } from "../facts/types.ts"
import { type Refusal, refusal } from "../refusal.ts"
import { type Action, type GuardHooks, type Plan, remove, run, type Step, write } from "../step.ts"
import { addressingOf } from "./addressing.ts"
import type { Backend } from "./backend.ts"
import { ifupdown } from "./ifupdown.ts"
import { networkd } from "./networkd.ts"
import { networkManager } from "./networkManager.ts"
import {
  type Addressing,
  type BridgeConfig,
  type BridgeWanted,
  isInterfaceName,
  NO_ADDRESSING,
} from "./wanted.ts"

const BACKENDS: Partial<Record<NetworkManagerName, Backend>> = {
  ifupdown,
  NetworkManager: networkManager,
  "systemd-networkd": networkd,
}

/** What was done, kept on the host: how the bridge was made, and the files as they were before. */
export interface BridgeRecord {
  readonly manager: NetworkManagerName
  readonly config: BridgeConfig
  /** Contents by path; null: there was no such file. */
  readonly originals: Readonly<Record<string, string | null>>
}

export function bridgeRecordPath(name: string): string {
  return `/var/lib/pulumi-xen/networks/${name}.json`
}

export function bridgeRecord(facts: HostFacts, name: string): BridgeRecord | undefined {
  const text = facts.files[bridgeRecordPath(name)]
  return text === undefined ? undefined : (JSON.parse(text) as BridgeRecord)
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
  const originals: Record<string, string | null> = { ...record?.originals }
  for (const path of Object.keys(files))
    originals[path] ??= record && path in originals ? null : (present(path) ?? null)
  const recordText = `${JSON.stringify({ manager, config, originals } satisfies BridgeRecord, null, 2)}\n`
  const all = { ...files, [bridgeRecordPath(config.name)]: recordText }
  const changed = Object.entries(all).filter(([path, content]) => present(path) !== content)
  const stale = Object.keys(record?.originals ?? {}).filter(
    path => !(path in files) && record!.originals[path] === null && present(path) !== undefined,
  )
  if (changed.length === 0 && stale.length === 0 && bridgeDrift(facts, config).length === 0) return []
  const exists = facts.network.links.some(link => link.name === config.name)
  return [
    guardedStep(facts, config, wanted.window, {
      title: `${exists ? "Change" : "Make"} the bridge ${config.name}${config.port ? ` with ${config.port} as its port` : ""}`,
      note: addressingWords(config),
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
      originals: Object.fromEntries(changed.map(([path]) => [path, present(path) ?? null])),
    }),
  ]
}

/** The way back: the files as they were, and what they configure. `[]` when nothing was ever done. */
export function planBridgeRemoval(facts: HostFacts, name: string, window?: number): Plan {
  const record = bridgeRecord(facts, name)
  const backend = record && BACKENDS[record.manager]
  if (!record || !backend) return []
  const { config, originals } = record
  const current = Object.keys(originals).filter(path => facts.network.files[path] !== undefined)
  return [
    guardedStep(facts, config, window, {
      title: `Remove the bridge ${name}${config.uplink ? ` and give ${config.uplink} its old configuration back` : ""}`,
      note: "",
      actions: [
        ...backend.withdraw(facts, config).map(command => run(command)),
        ...Object.entries(originals).map(([path, content]) =>
          content === null ? remove(path) : write(path, content, fileMode(path)),
        ),
        remove(bridgeRecordPath(name)),
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
  readonly originals: Readonly<Record<string, string | null>>
}

function guardedStep(facts: HostFacts, config: BridgeConfig, window = 60, parts: GuardedParts): Step {
  const { title, note, actions, before, after, originals } = parts
  const undo = [
    ...before.map(command => run(command)),
    ...Object.entries(originals).map(([path, content]) =>
      content === null ? remove(path) : write(path, content, fileMode(path)),
    ),
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

/**
 * How the running bridge differs from its configuration, in words; `[]` when it does not. Its forward delay
 * is not looked at: without the spanning tree protocol the kernel forwards at once (br_make_forwarding in
 * net/bridge/br_stp.c), and NetworkManager leaves it at its default then.
 */
export function bridgeDrift({ network }: HostFacts, config: BridgeConfig): string[] {
  const link = network.links.find(one => one.name === config.name)
  if (!link) return [`the bridge ${config.name} does not exist`]
  const port = network.links.find(one => one.name === config.port)
  const { ipv4, ipv6 } = config.addressing
  const has = link.addresses.map(({ cidr }) => cidr)
  return [
    ...(link.bridge ? [] : [`${config.name} is no bridge`]),
    ...(link.up ? [] : [`${config.name} is down`]),
    ...(link.bridge?.stp ? [`${config.name} runs the spanning tree protocol`] : []),
    ...(config.port && port?.controller !== config.name
      ? [`${config.port} is not a port of ${config.name}`]
      : []),
    ...(port?.addresses.filter(({ scope }) => scope === "global") ?? []).map(
      ({ cidr }) => `${config.port} has ${cidr}, which belongs on ${config.name}`,
    ),
    ...(config.mac && link.mac !== config.mac
      ? [`${config.name} has the address ${link.mac} instead of ${config.mac}`]
      : []),
    ...[...ipv4.addresses, ...ipv6.addresses]
      .filter(address => !has.includes(address))
      .map(address => `${config.name} lacks ${address}`),
    ...(ipv4.automatic && !link.addresses.some(({ family }) => family === 4)
      ? [`${config.name} has no lease`]
      : []),
    ...[ipv4.gateway, ipv6.gateway]
      .filter(
        gateway =>
          gateway &&
          !network.routes.some(route => route.destination === "default" && route.gateway === gateway),
      )
      .map(gateway => `there is no default route by ${gateway}`),
  ]
}

/** What must not be attempted, all of it at once, before anything is changed. */
export function refuseBridge(facts: HostFacts, wanted: BridgeWanted): Refusal[] {
  const { network } = facts
  const { name, uplink, vlan } = wanted
  const link = network.links.find(one => one.name === uplink)
  const existing = network.links.find(one => one.name === name)
  const others = network.links.map(one => one.name).filter(one => one !== "lo")
  const explicit = typeof wanted.addressing === "object" ? wanted.addressing : NO_ADDRESSING
  const addresses = [...explicit.ipv4.addresses, ...explicit.ipv6.addresses, ...(wanted.extraAddresses ?? [])]
  const found: (Refusal | false | undefined)[] = [
    !isInterfaceName(name) &&
      refusal(
        "input",
        `"${name}" is no name for a bridge.`,
        "Use at most 15 letters, digits, dots, hyphens and underscores.",
      ),
    vlan !== undefined &&
      !(Number.isInteger(vlan) && vlan >= 1 && vlan <= 4094) &&
      refusal("input", `${vlan} is no VLAN.`, "VLANs are numbered from 1 to 4094."),
    ...addresses
      .filter(address => !isCidr(address))
      .map(address =>
        refusal(
          "input",
          `"${address}" is no address with a prefix length.`,
          'Write it as "192.0.2.7/24" or "2001:db8::7/64".',
        ),
      ),
    uplink !== undefined &&
      !link &&
      refusal(
        "uplink",
        `There is no interface ${uplink} to make a port of ${name}.`,
        `This host has: ${others.join(", ")}.`,
      ),
    link &&
      link.controller !== undefined &&
      link.controller !== name &&
      vlan === undefined &&
      refusal(
        "uplink",
        `${uplink} is a port of ${link.controller} already.`,
        `Use ${link.controller}, or remove it first.`,
      ),
    existing &&
      !bridgeRecord(facts, name) &&
      refusal(
        "foreign-file",
        `There is ${aKind(existing)} ${name} already, which was not made by this program.`,
        "Choose another name, or remove it first.",
      ),
    link &&
      !BACKENDS[network.manager] &&
      !bridgeRecord(facts, name) &&
      refusal(
        "network-manager",
        `Nothing known configures the network (${network.evidence}).`,
        "ifupdown, NetworkManager or systemd-networkd must be in charge of the uplink.",
      ),
    uplink !== undefined &&
      facts.boot.init !== "systemd" &&
      refusal(
        "init",
        "The host does not run systemd, so a change of its network could not be taken back.",
        "Upgrade the host, or make the bridge by hand (npm run runbook).",
      ),
    link &&
      wanted.addressing === undefined &&
      vlan === undefined &&
      !bridgeRecord(facts, name) &&
      !configured(facts, link) &&
      refusal(
        "address-missing",
        `${uplink} has no address that ${name} could take over.`,
        "Name the uplink that has the address, or give the addressing.",
      ),
    ...facts.guards
      .filter(guard => guard.name === "network" && guard.state === "reverting")
      .map(guard =>
        refusal(
          "guard-armed",
          `The host is just taking a change back ("${guard.title}").`,
          "Run again in a minute.",
        ),
      ),
  ]
  return found.filter(one => one !== false && one !== undefined)
}

function configured(facts: HostFacts, link: Link): boolean {
  const { ipv4, ipv6 } = addressingOf(facts, link.name)
  return [ipv4, ipv6].some(({ automatic, addresses }) => automatic || addresses.length > 0)
}

function aKind({ kind }: Link): string {
  return kind === undefined ? "an interface" : kind === "bridge" ? "a bridge" : `a link of kind ${kind}`
}

function isCidr(text: string): boolean {
  const [address = "", length = ""] = text.split("/")
  const family = isIP(address)
  return family !== 0 && /^\d{1,3}$/.test(length) && Number(length) <= (family === 4 ? 32 : 128)
}
