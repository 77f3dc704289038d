import type { HostFacts, Link } from "../facts/types.ts"
import { type Refusal, refusal } from "../refusal.ts"
import { addressingOf } from "./addressing.ts"
import { BACKENDS, planBridge } from "./bridge.ts"
import { isCidr } from "./prefix.ts"
import { bridgeRecord } from "./record.ts"
import { refuseUnread } from "./unread.ts"
import { type BridgeWanted, isInterfaceName, NO_ADDRESSING } from "./wanted.ts"

/** What must not be attempted, all of it at once, before anything is changed. */
export function refuseBridge(facts: HostFacts, wanted: BridgeWanted): Refusal[] {
  const { network } = facts
  const { name, uplink, vlan } = wanted
  const link = network.links.find(one => one.name === uplink)
  const existing = network.links.find(one => one.name === name)
  const made = bridgeRecord(facts, name)?.config
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
        `Name one of these as the uplink: ${others.join(", ")}.`,
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
    made &&
      (made.uplink !== uplink || made.vlan !== vlan) &&
      refusal(
        "port-taken",
        `${name} ${portOf(made)}, and is to be a bridge that ${portOf(wanted)}.`,
        "Remove it first: its uplink needs its old configuration back.",
      ),
    existing &&
      !made &&
      refusal(
        "foreign-file",
        `There is ${aKind(existing)} ${name} already, which was not made by this program.`,
        "Choose another name, or remove it first.",
      ),
    link &&
      !BACKENDS[network.manager] &&
      !made &&
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
      !made &&
      !configured(facts, link) &&
      refusal(
        "address-missing",
        `${uplink} has no address that ${name} could take over.`,
        "Name the uplink that has the address, or give the addressing.",
      ),
    ...refuseUnread(facts, name, planBridge(facts, wanted)),
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

function portOf({ uplink, vlan }: Pick<BridgeWanted, "uplink" | "vlan">): string {
  if (uplink === undefined) return "is isolated"
  return `has ${vlan === undefined ? uplink : `VLAN ${vlan} of ${uplink}`} as its port`
}

function aKind({ kind }: Link): string {
  return kind === undefined ? "an interface" : kind === "bridge" ? "a bridge" : `a link of kind ${kind}`
}
