import { type Disk, type DomainConfig, parseDisk, parseVif, type Vif } from "xlcfg"
import type { Port } from "../swap/index.ts"
import type { DomainFacts, OwnDomain } from "./facts.ts"

/** What xl joins when a vif names no bridge (xl-network-configuration(5)). */
export const defaultBridge = "xenbr0"

export function vifsOf(config: DomainConfig | undefined): Vif[] {
  return (config?.vif ?? []).map(vif => (typeof vif === "string" ? parseVif(vif) : vif))
}

export function disksOf(config: DomainConfig | undefined): Disk[] {
  return (config?.disk ?? []).map(disk => (typeof disk === "string" ? parseDisk(disk) : disk))
}

export function macsOf(config: DomainConfig | undefined): string[] {
  return vifsOf(config).flatMap(({ mac }) => (mac === undefined ? [] : [mac]))
}

/** Disks that the domain may write: two domains must never have the same one. */
export function writableDisks(config: DomainConfig | undefined): string[] {
  return disksOf(config).flatMap(({ target, access, cdrom }) =>
    target !== undefined && access !== "ro" && !cdrom ? [target] : [],
  )
}

/**
 * The ports of a domain. Their names are in its configuration; one that somebody started by hand has those that libxl
 * gives, after the domain's number.
 */
export function portsOf(config: DomainConfig | undefined, domain?: OwnDomain): Port[] {
  return vifsOf(config).map(({ vifname, bridge = defaultBridge, mac = "" }, index) => ({
    vif: vifname ?? `vif${domain?.id ?? 0}.${index}`,
    bridge,
    mac,
  }))
}

/** The bridge that a port is on. */
export function bridgeOf({ network }: Pick<DomainFacts, "network">, vif: string): string | undefined {
  return network.links.find(({ name }) => name === vif)?.controller
}

/** Whether each port is on its own bridge, and the domain so on the network. */
export function isOnNetwork(facts: Pick<DomainFacts, "network">, ports: readonly Port[]): boolean {
  return ports.every(({ vif, bridge }) => bridgeOf(facts, vif) === bridge)
}

/**
 * MiB that a start takes from the host: the guest's memory, and what Xen keeps for its page tables unless the
 * configuration says (`libxl_get_required_shadow_memory` in tools/libs/light/libxl_utils.c: 1 MiB a virtual CPU and 8 KiB
 * a MiB of the guest), for guests that are not PV.
 */
export function memoryFor(config: DomainConfig): number {
  const memory = config.memory ?? 32
  const most = config.maxmem ?? memory
  const vcpus = config.maxvcpus ?? config.vcpus ?? 1
  const tables = config.shadow_memory ?? vcpus + Math.ceil(most / 128)
  return memory + (config.type === "pv" || config.type === undefined ? 0 : tables) + 1
}
