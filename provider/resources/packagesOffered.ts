import { readFacts } from "../host/facts/probe.ts"
import type { PackageManager } from "../host/facts/types.ts"
import type { HostFacts } from "../host/index.ts"
import { expectedPackages } from "../host/packages/offers.ts"
import type { PackagesWanted } from "../host/packages/wanted.ts"
import type { Connection } from "../ssh/index.ts"

/** Where the lists are of what the repositories offer, and what one is called. yum may fetch them when it is asked. */
const LISTS: Partial<Record<PackageManager, readonly [directories: readonly string[], name: string]>> = {
  apt: [["/var/lib/apt/lists"], "*Release"],
  dnf: [["/var/cache/dnf", "/var/cache/libdnf5"], "repomd.xml"],
  zypper: [["/var/cache/zypp/raw"], "repomd.xml"],
}

/**
 * Names that are to come from the host's repositories, and that its lists do not know: for a preview, which fetches nothing.
 * Lists may be old, and another set may bring a repository: it is a warning. Without lists nothing can be told.
 */
export async function unlisted(
  host: Connection,
  facts: HostFacts,
  wanted: PackagesWanted,
  signal: AbortSignal,
): Promise<string[]> {
  const names = expectedPackages(facts, wanted).fromHost
  if (names.length === 0 || !(await hasLists(host, facts, signal))) return []
  const { packages } = await readFacts(host, { depth: "full", packages: names, signal })
  return names.filter(name => packages.available[name] === undefined)
}

async function hasLists(host: Connection, { packages }: HostFacts, signal: AbortSignal): Promise<boolean> {
  const lists = packages.manager && LISTS[packages.manager]
  if (lists === undefined) return false
  const [directories, name] = lists
  // 1: one of the directories is not there.
  const options = { expect: [0, 1], signal, timeout: 60_000 }
  const { stdout } = await host.run(["find", ...directories, "-name", name, "-print", "-quit"], options)
  return stdout !== ""
}
