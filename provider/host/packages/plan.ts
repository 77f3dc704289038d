import { lines } from "../facts/sections.ts"
import type { HostFacts } from "../facts/types.ts"
import { RECORDS, readRecord, recordPath, recordText, writeRecord } from "../records.ts"
import { type Plan, remove, step, write } from "../step.ts"
import { expectedPackages } from "./offers.ts"
import { planSending } from "./repository/send.ts"
import {
  holdStep,
  installFilesStep,
  installStep,
  releaseStep,
  removeFile,
  removeSent,
  removeStep,
  repairStep,
  repositoryStep,
} from "./steps.ts"
import { HOLD_PACKAGES, type PackageTool, packageTool } from "./tools.ts"
import type { PackageFile, PackagesWanted, PackageWanted, RepositoryWanted } from "./wanted.ts"

/** What a set has put on the host, beside the packages themselves (those are counted on the host). */
export interface PackagesRecord {
  readonly files: readonly string[]
  readonly held: readonly string[]
  /** Names of the repositories that were sent; absent when none was. */
  readonly sent?: readonly string[]
  /** SHA-256 of each package file that was installed, by the package's name; absent when none was. */
  readonly digests?: Readonly<Record<string, string>>
}

const recordName = (id: string) => `packages/${id}`
const recordOf = (facts: HostFacts, id: string) => readRecord<PackagesRecord>(facts.files, recordName(id))
const named = ({ name }: { readonly name: string }): string => name

/** Names whose versions the facts must hold for this plan. */
export function packageNames({ packages = [], files = [] }: PackagesWanted): string[] {
  return [...HOLD_PACKAGES, ...packages.map(named), ...files.map(named)]
}

/**
 * The least that brings the set onto the host: keys, repositories, packages, holds. `beforehand` is done, where there is
 * something to do, before the first package is installed: not before the packages are known to be there.
 */
export function planPackages(facts: HostFacts, wanted: PackagesWanted, beforehand: Plan = []): Plan {
  const { manager, broken } = facts.packages
  if (manager === undefined) return []
  const tool = packageTool(manager)
  const expected = expectedPackages(facts, wanted).fromNew
  const first = [
    ...(broken.length > 0 ? [repairStep(tool, broken)] : []),
    ...planSources(tool, facts, wanted, expected),
  ]
  const installation = planInstallation(tool, facts, wanted, expected.length > 0)
  return first.length + installation.length > 0 ? [...first, ...beforehand, ...installation] : []
}

/** Where packages come from; and the record of it, which is written before there is anything to forget. */
function planSources(
  tool: PackageTool,
  facts: HostFacts,
  wanted: PackagesWanted,
  expected: readonly string[],
): Plan {
  const { id, repositories = [] } = wanted
  const record = recordOf(facts, id)
  const files: Record<string, string> = Object.assign(
    {},
    ...repositories.map(one => tool.repositoryFiles(one)),
  )
  const sent = repositories.filter(({ directory }) => directory).map(named)
  const changed = Object.entries(files).filter(([path, content]) => facts.files[path] !== content)
  const sending = repositories.flatMap(({ name, directory }) =>
    directory ? planSending(facts, name, directory, tool.extension) : [],
  )
  const stale = [
    ...(record?.files ?? [])
      .filter(path => !(path in files) && facts.files[path] !== undefined)
      .flatMap(path => removeFile(tool, facts, id, path)),
    ...(record?.sent ?? []).filter(name => !sent.includes(name)).map(removeSent),
  ]
  const next = recordOfWanted(tool, wanted, recordedFiles(facts, wanted))
  const needed = changed.length > 0 || sending.length > 0 || next.held.length > 0 || record !== undefined
  const path = recordPath(recordName(id))
  return [
    ...(needed && facts.files[path] !== recordText(next)
      ? [step(`Write down what the set ${id} puts on the host`, [write(path, recordText(next))])]
      : []),
    ...sending,
    ...(changed.length > 0 || stale.length > 0
      ? [repositoryStep(tool, facts, wanted, changed, stale, expected)]
      : []),
  ]
}

/** What is written down of a set once these of its package files are installed. */
function recordOfWanted(
  tool: PackageTool,
  { packages = [], repositories = [] }: PackagesWanted,
  installed: readonly PackageFile[],
): PackagesRecord {
  const sent = repositories.filter(({ directory }) => directory).map(named)
  const digests = Object.fromEntries(installed.map(({ name, sha256 }) => [name, sha256]))
  return {
    files: repositories.flatMap(one => Object.keys(tool.repositoryFiles(one))),
    held: packages.filter(({ hold }) => hold).map(named),
    ...(sent.length > 0 && { sent }),
    ...(installed.length > 0 && { digests }),
  }
}

/** Package files that were the last to be installed of their package by this set. */
function recordedFiles(facts: HostFacts, { id, files = [] }: PackagesWanted): PackageFile[] {
  const digests = recordOf(facts, id)?.digests ?? {}
  return files.filter(({ name, sha256 }) => digests[name] === sha256)
}

function planInstallation(
  tool: PackageTool,
  facts: HostFacts,
  wanted: PackagesWanted,
  refreshed: boolean,
): Plan {
  const { installed, held } = facts.packages
  const { files = [] } = wanted
  const packages = completed(tool, wanted)
  const missing = packages.filter(
    ({ name, version }) =>
      installed[name] === undefined || (version !== undefined && installed[name] !== version),
  )
  // A package that came another way is not known to be the file's.
  const recorded = recordedFiles(facts, wanted)
  const missingFiles = files.filter(one => installed[one.name] === undefined || !recorded.includes(one))
  // A hold keeps rpm's tools from the very version that is wanted, and apt forgets it with the change.
  const stuck = [...new Set([...missingFiles, ...missing].map(named))].filter(name => held.includes(name))
  const toHold = [...packages.filter(({ name, hold }) => hold && !held.includes(name)).map(named), ...stuck]
  const toRelease = (recordOf(facts, wanted.id)?.held ?? []).filter(
    name =>
      held.includes(name) && !stuck.includes(name) && !packages.some(one => one.name === name && one.hold),
  )
  // A file may bring a repository with it.
  const fetched = facts.packages.fetched === true || (refreshed && missingFiles.length === 0)
  const done = writeRecord(recordName(wanted.id), recordOfWanted(tool, wanted, files))
  return [
    ...(stuck.length > 0 ? [releaseStep(tool, stuck)] : []),
    ...(missingFiles.length > 0 ? [installFilesStep(tool, wanted, missingFiles, done)] : []),
    ...(missing.length > 0 ? [installStep(tool, fetched, wanted.id, missing)] : []),
    ...(toRelease.length > 0 ? [releaseStep(tool, toRelease)] : []),
    ...(toHold.length > 0 ? [holdStep(tool, toHold)] : []),
  ]
}

/** With the versions that directories offer, and with the package that a hold needs. */
function completed(tool: PackageTool, { packages = [], repositories = [] }: PackagesWanted): PackageWanted[] {
  const holder = packages.some(({ hold }) => hold) ? tool.holdPackage : undefined
  return [
    ...(holder !== undefined && !packages.some(({ name }) => name === holder) ? [{ name: holder }] : []),
    ...packages.map(one => ({ ...offeredVersion(tool, repositories, one.name), ...one })),
  ]
}

/** A package that a directory holds in one version is wanted in that one, unless the program names another. */
function offeredVersion(
  { extension }: PackageTool,
  repositories: readonly RepositoryWanted[],
  name: string,
): { version?: string } {
  const version = repositories.flatMap(
    ({ directory }) => directory?.opened?.[extension].versions[name] ?? [],
  )[0]
  return version === undefined ? {} : { version }
}

/** Removes just what the set has added: packages, repositories, keys, holds. */
export function planPackagesRemoval(facts: HostFacts, id: string): Plan {
  const { manager, held } = facts.packages
  if (manager === undefined) return []
  const tool = packageTool(manager)
  const record = recordOf(facts, id)
  const added = facts.files[`${RECORDS}/packages/${id}.added`]
  const begun = facts.files[`${RECORDS}/packages/${id}.before`] !== undefined
  const toRelease = (record?.held ?? []).filter(name => held.includes(name))
  const sources = [
    ...(record?.files ?? [])
      .filter(path => facts.files[path] !== undefined)
      .flatMap(path => removeFile(tool, facts, id, path)),
    ...(record?.sent ?? []).map(removeSent),
  ]
  return [
    ...(toRelease.length > 0 ? [releaseStep(tool, toRelease)] : []),
    ...(added !== undefined || begun ? [removeStep(tool, id, lines(added))] : []),
    ...(sources.length > 0 ? [step("Remove the package repositories that were added", sources)] : []),
    ...(record ? [step(`Forget the set ${id}`, [remove(recordPath(recordName(id)))])] : []),
  ]
}
