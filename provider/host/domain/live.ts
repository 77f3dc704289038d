import { type DomainConfig, type KeyName, keys, literalOf, printVif, type Vif } from "xlcfg"
import { vifsOf } from "./devices.ts"
import { withoutIdentity } from "./wanted.ts"

/** An xl subcommand on a running domain, without the domain's number: `["mem-set", "48m"]`. */
export type XlChange = readonly [subcommand: string, ...args: string[]]

/** What xl keeps for the next start of a running domain (`xl config-update`), and needs no restart for. */
const savedOnly: readonly string[] = ["on_poweroff", "on_reboot", "on_crash", "on_watchdog", "on_soft_reset"]

/**
 * The changes that lead a running domain from one configuration to another as it runs, or `undefined` where that takes
 * a new start. Their UUIDs and port names do not count.
 */
export function liveChanges(from: DomainConfig, to: DomainConfig): readonly XlChange[] | undefined {
  const changes: XlChange[] = []
  for (const key of differingKeys(withoutIdentity(from), withoutIdentity(to))) {
    const change = liveChange(key, from, to)
    if (change === undefined) return undefined
    changes.push(...change)
  }
  return changes
}

/** `xl create` gives a domain more virtual CPUs than its host has; `xl vcpu-set` must be told to. */
export const setVcpus = (count: number): XlChange => ["vcpu-set", "--ignore-host", String(count)]

function liveChange(key: KeyName, from: DomainConfig, to: DomainConfig): readonly XlChange[] | undefined {
  if (savedOnly.includes(key)) return []
  if (key === "memory" && to.memory !== undefined && to.maxmem !== undefined)
    return from.maxmem === to.maxmem ? [["mem-set", `${to.memory}m`]] : undefined
  if (key === "vcpus" && to.vcpus !== undefined && to.maxvcpus !== undefined)
    return from.maxvcpus === to.maxvcpus ? [setVcpus(to.vcpus)] : undefined
  return key === "vif" ? attachments(vifsOf(from), vifsOf(to)) : undefined
}

/** Interfaces can be added at the end; the others must stay as they are. */
function attachments(before: readonly Vif[], after: readonly Vif[]): readonly XlChange[] | undefined {
  if (before.some((vif, index) => after[index] === undefined || plain(vif) !== plain(after[index])))
    return undefined
  return after.slice(before.length).map(vif => ["network-attach", ...printVif(vif).split(",")])
}

function plain({ vifname: _, ...vif }: Vif): string {
  return printVif(vif)
}

/** Settings of which xl keeps the new value for the domain's next start only. */
export function savedChanges(from: DomainConfig, to: DomainConfig): readonly string[] {
  return differingKeys(from, to).filter(key => savedOnly.includes(key))
}

/** Keys whose value xl would read differently. */
export function differingKeys(a: DomainConfig, b: DomainConfig): KeyName[] {
  const text = (config: DomainConfig, key: KeyName) =>
    config[key] === undefined ? undefined : JSON.stringify(literalOf(key, config[key]))
  return (Object.keys(keys) as KeyName[]).filter(key => text(a, key) !== text(b, key))
}
