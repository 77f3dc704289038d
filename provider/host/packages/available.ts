import type { Connection } from "../../ssh/index.ts"
import { refuseXenPackages } from "../boot/refusals.ts"
import { readFacts } from "../facts/probe.ts"
import type { HostFacts } from "../facts/types.ts"
import { type Refusal, refusal } from "../refusal.ts"
import { packageProgress } from "./progress.ts"
import { PACKAGES_SH, packageTool } from "./tools.ts"
import type { PackageWanted } from "./wanted.ts"

/**
 * Names that no repository of the host offers, each refused. Where the host knows of none, the lists are fetched
 * before that is believed: a fresh machine has none, and would seem to have no packages at all. The facts that are
 * returned say so, and the plan that is made from them does not fetch the lists again.
 */
export async function inquireAvailable(
  connection: Connection,
  facts: HostFacts,
  names: readonly string[],
  { signal, onStatus = () => {} }: { signal: AbortSignal; onStatus?: (text: string) => void },
): Promise<{ refusals: Refusal[]; facts: HostFacts }> {
  const { manager, installed } = facts.packages
  const missing = names.filter(name => installed[name] === undefined)
  if (manager === undefined || missing.length === 0) return { refusals: [], facts }
  const offered = async () =>
    (await readFacts(connection, { depth: "full", packages: missing, signal })).packages.available
  let available = await offered()
  const fetched = missing.some(name => available[name] === undefined)
  if (fetched) {
    const doing = "fetching the lists of packages"
    onStatus(doing)
    const read = packageProgress()
    const onLine = (line: string) => {
      const detail = read(line)
      if (detail !== undefined) onStatus(`${doing}: ${detail}`)
    }
    const refresh = ["sh", "-s", "run", ...packageTool(manager).refresh]
    await connection.run(refresh, { stdin: PACKAGES_SH, timeout: 1_800_000, keep: "tail", signal, onLine })
    available = await offered()
  }
  const refusals = missing
    .filter(name => available[name] === undefined)
    .map(name =>
      refusal(
        /^xen(-|$)/.test(name) ? "no-xen-package" : "package-missing",
        `The package repositories of ${facts.os.prettyName} offer no package ${name}.`,
        "Add a repository that has it, or correct the name.",
      ),
    )
  return { refusals, facts: { ...facts, packages: { ...facts.packages, fetched } } }
}

/** Xen, what updates of its guests need and what rotates their logs, by the names that the distribution gives them. */
export function xenPackages({ os }: HostFacts): PackageWanted[] {
  const names = {
    debian: ["xen-system-amd64", "nftables", "logrotate"],
    // nftables and logrotate are part of every EL.
    el: ["xen"],
    suse: ["xen", "xen-tools", "logrotate"],
    other: [],
  }[os.family]
  return names.map(name => ({ name }))
}

/** Nobody has said what Xen is called there; without a package tool that is the first thing to say. */
export function refuseUnknownXen(facts: HostFacts): Refusal[] {
  if (facts.packages.manager === undefined || xenPackages(facts).length > 0) return []
  return [
    refusal(
      "os",
      `Which packages Xen consists of on ${facts.os.prettyName} is not known.`,
      "Debian, EL and SUSE are supported; elsewhere leave out xen, and name the packages.",
    ),
  ]
}

/** Before Xen is installed, what its installation would meet midway. */
export function refuseXenToCome(facts: HostFacts): Refusal[] {
  const { installed } = facts.packages
  const isToCome = xenPackages(facts).some(
    ({ name }) => !XEN_COMPANIONS.includes(name) && installed[name] === undefined,
  )
  return isToCome && facts.xen === undefined ? refuseXenPackages(facts) : []
}

/** Names that `xenPackages` may give: what the facts must hold beside Xen's own. */
export const XEN_COMPANIONS = ["nftables", "logrotate"]
