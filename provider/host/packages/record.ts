import type { HostFacts } from "../facts/types.ts"
import { RECORDS, readRecord } from "../records.ts"
import type { PackageTool } from "./tools.ts"
import type { PackageFile, PackagesWanted } from "./wanted.ts"

/** What a set has put on the host, beside the packages themselves (those are counted on the host). */
export interface PackagesRecord {
  readonly files: readonly string[]
  /** What the set holds; what was held before is none of it. */
  readonly held: readonly string[]
  /** Names of the repositories that were sent; absent when none was. */
  readonly sent?: readonly string[]
  /** SHA-256 of each package file that was installed, by the package's name; absent when none was. */
  readonly digests?: Readonly<Record<string, string>>
  /** Versions that directories offer of what is wanted, by name; absent when there are none. */
  readonly versions?: Readonly<Record<string, string>>
  /** Holds of somebody else that are let go while a version is changed; absent when there are none. */
  readonly lifted?: readonly string[]
}

export const recordName = (id: string) => `packages/${id}`
export const recordOf = (facts: HostFacts, id: string) =>
  readRecord<PackagesRecord>(facts.files, recordName(id))
export const named = ({ name }: { readonly name: string }): string => name

/** Whether a run of the set was cut off, and is yet to be counted. */
export function isCutOff({ files }: HostFacts, id: string): boolean {
  return files[`${RECORDS}/packages/${id}.before`] !== undefined
}

/** What is written down of a set once these of its package files are installed, and while these holds are lifted. */
export function recordOfWanted(
  tool: PackageTool,
  facts: HostFacts,
  wanted: PackagesWanted,
  installed: readonly PackageFile[],
  lifted: readonly string[],
): PackagesRecord {
  const { packages = [], repositories = [] } = wanted
  const sent = repositories.filter(({ directory }) => directory).map(named)
  const digests = Object.fromEntries(installed.map(({ name, sha256 }) => [name, sha256]))
  const versions = directoryVersions(tool, facts, wanted)
  const isOurs = isOwnHold(facts, wanted.id)
  return {
    files: repositories.flatMap(one => Object.keys(tool.repositoryFiles(one))),
    held: packages.filter(({ name, hold }) => hold && isOurs(name)).map(named),
    ...(sent.length > 0 && { sent }),
    ...(installed.length > 0 && { digests }),
    ...(Object.keys(versions).length > 0 && { versions }),
    ...(lifted.length > 0 && { lifted }),
  }
}

/** Whether a hold of a package is the set's own: it was not held when it was first seen. */
function isOwnHold(facts: HostFacts, id: string): (name: string) => boolean {
  const { held = [], lifted = [] } = recordOf(facts, id) ?? {}
  return name => held.includes(name) || !(facts.packages.held.includes(name) || lifted.includes(name))
}

/** Of held packages that are to be changed, and of those that an earlier run has let go, what somebody else holds. */
export function liftedHolds(facts: HostFacts, { id }: PackagesWanted, stuck: readonly string[]): string[] {
  const earlier = recordOf(facts, id)?.lifted ?? []
  const isOurs = isOwnHold(facts, id)
  return [
    ...stuck.filter(name => !isOurs(name)),
    ...earlier.filter(name => !facts.packages.held.includes(name)),
  ]
}

/** Package files that were the last to be installed of their package by this set. */
export function recordedFiles(facts: HostFacts, { id, files = [] }: PackagesWanted): PackageFile[] {
  const digests = recordOf(facts, id)?.digests ?? {}
  return files.filter(({ name, sha256 }) => digests[name] === sha256)
}

/**
 * Versions by name of what is wanted without one, and a directory holds in one version. Where a directory was not opened,
 * as for a refresh, what was written down of it counts.
 */
export function directoryVersions(
  tool: PackageTool,
  facts: HostFacts,
  { id, packages = [], repositories = [] }: PackagesWanted,
): Record<string, string> {
  const written = recordOf(facts, id)?.versions ?? {}
  const offers = repositories.flatMap(({ directory }) =>
    directory ? [directory.opened?.[tool.extension].versions ?? written] : [],
  )
  return Object.fromEntries(
    packages
      .filter(({ version }) => version === undefined)
      .flatMap(({ name }) => {
        const version = offers.flatMap(versions => versions[name] ?? [])[0]
        return version === undefined ? [] : [[name, version] as const]
      }),
  )
}
