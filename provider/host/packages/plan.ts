import { lines } from "../facts/sections.ts"
import type { HostFacts } from "../facts/types.ts"
import { RECORDS, recordPath, recordText, writeRecord } from "../records.ts"
import { type Plan, remove, step, write } from "../step.ts"
import { expectedPackages } from "./offers.ts"
import {
  directoryVersions,
  isCutOff,
  liftedHolds,
  named,
  recordedFiles,
  recordName,
  recordOf,
  recordOfWanted,
} from "./record.ts"
import { planSending } from "./repository/send.ts"
import {
  countStep,
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
import type { PackageFile, PackagesWanted, PackageWanted } from "./wanted.ts"

/** Names whose versions the facts must hold for this plan. */
export function packageNames({ packages = [], files = [] }: PackagesWanted): string[] {
  return [...HOLD_PACKAGES, ...packages.map(named), ...files.map(named)]
}

/**
 * The least that brings the set onto the host: keys, repositories, packages, holds. `beforehand` is done, where there is
 * something to do, before the first package is installed: not before the packages are known to be there.
 */
export function planPackages(facts: HostFacts, wanted: PackagesWanted, beforehand: Plan = []): Plan {
  const { manager } = facts.packages
  if (manager === undefined) return []
  const tool = packageTool(manager)
  const changes = changesOf(tool, facts, wanted)
  const expected = expectedPackages(facts, wanted).fromNew
  const first = [
    ...planMending(tool, facts, wanted.id),
    ...planSources(tool, facts, wanted, changes, expected),
  ]
  const installation = planInstallation(tool, facts, wanted, changes, expected.length > 0)
  return first.length + installation.length > 0 ? [...first, ...beforehand, ...installation] : []
}

/** What an earlier run has left half-done, or uncounted. */
function planMending(tool: PackageTool, facts: HostFacts, id: string): Plan {
  const { broken } = facts.packages
  if (broken.length > 0) return [repairStep(tool, id, broken)]
  return isCutOff(facts, id) ? [countStep(tool, id)] : []
}

/** Packages that are not as wanted, and what is to become of holds. */
interface Changes {
  readonly missing: readonly PackageWanted[]
  readonly missingFiles: readonly PackageFile[]
  /** A hold keeps rpm's tools from the very version that is wanted, and apt forgets it with the change. */
  readonly stuck: readonly string[]
  /** Of these and of what an earlier run has let go: what somebody else holds. */
  readonly lifted: readonly string[]
}

function changesOf(tool: PackageTool, facts: HostFacts, wanted: PackagesWanted): Changes {
  const { installed, held } = facts.packages
  const { files = [] } = wanted
  const missing = completed(tool, facts, wanted).filter(
    ({ name, version }) =>
      installed[name] === undefined || (version !== undefined && installed[name] !== version),
  )
  // A package that came another way is not known to be the file's.
  const recorded = recordedFiles(facts, wanted)
  const missingFiles = files.filter(one => installed[one.name] === undefined || !recorded.includes(one))
  const stuck = [...new Set([...missingFiles, ...missing].map(named))].filter(name => held.includes(name))
  return { missing, missingFiles, stuck, lifted: liftedHolds(facts, wanted, stuck) }
}

/** Where packages come from; and the record of it, which is written before there is anything to forget. */
function planSources(
  tool: PackageTool,
  facts: HostFacts,
  wanted: PackagesWanted,
  { lifted }: Changes,
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
  const next = recordOfWanted(tool, facts, wanted, recordedFiles(facts, wanted), lifted)
  const holds = next.held.length + lifted.length
  const needed = changed.length > 0 || sending.length > 0 || holds > 0 || record !== undefined
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

function planInstallation(
  tool: PackageTool,
  facts: HostFacts,
  wanted: PackagesWanted,
  { missing, missingFiles, stuck, lifted }: Changes,
  refreshed: boolean,
): Plan {
  const { held } = facts.packages
  const { id, packages = [], files = [] } = wanted
  const isWantedHeld = (name: string) => packages.some(one => one.name === name && one.hold)
  const toHold = new Set([
    ...packages.map(named).filter(one => isWantedHeld(one) && (stuck.includes(one) || !held.includes(one))),
    ...lifted,
  ])
  const toRelease = (recordOf(facts, id)?.held ?? []).filter(
    name => held.includes(name) && !stuck.includes(name) && !isWantedHeld(name),
  )
  // A file may bring a repository with it.
  const fetched = facts.packages.fetched === true || (refreshed && missingFiles.length === 0)
  const noted = (lifts: readonly string[]) =>
    writeRecord(recordName(id), recordOfWanted(tool, facts, wanted, files, lifts))
  return [
    ...(stuck.length > 0 ? [releaseStep(tool, stuck)] : []),
    ...(missingFiles.length > 0 ? [installFilesStep(tool, wanted, missingFiles, noted(lifted))] : []),
    ...(missing.length > 0 ? [installStep(tool, fetched, id, missing)] : []),
    ...(toRelease.length > 0 ? [releaseStep(tool, toRelease)] : []),
    ...(toHold.size > 0 ? [holdStep(tool, [...toHold], lifted.length > 0 ? [noted([])] : [])] : []),
  ]
}

/** With the versions that directories offer, and with the package that a hold needs. */
function completed(tool: PackageTool, facts: HostFacts, wanted: PackagesWanted): PackageWanted[] {
  const { packages = [] } = wanted
  const holder = packages.some(({ hold }) => hold) ? tool.holdPackage : undefined
  // A package that a directory holds in one version is wanted in that one, unless the program names another.
  const versions = directoryVersions(tool, facts, wanted)
  return [
    ...(holder !== undefined && !packages.some(({ name }) => name === holder) ? [{ name: holder }] : []),
    ...packages.map(one => {
      const version = versions[one.name]
      return version === undefined ? one : { ...one, version }
    }),
  ]
}

/** Removes just what the set has added: packages, repositories, keys, holds. */
export function planPackagesRemoval(facts: HostFacts, id: string): Plan {
  const { manager, held, broken } = facts.packages
  if (manager === undefined) return []
  const tool = packageTool(manager)
  const record = recordOf(facts, id)
  const added = facts.files[`${RECORDS}/packages/${id}.added`]
  const isCounted = added !== undefined || isCutOff(facts, id)
  // dpkg removes what it has not wholly unpacked; rpm nothing that is there twice.
  const isStuck = isCounted && tool.database === "rpm" && broken.length > 0
  const toRelease = (record?.held ?? []).filter(name => held.includes(name))
  const toHold = (record?.lifted ?? []).filter(name => !held.includes(name))
  const sources = [
    ...(record?.files ?? [])
      .filter(path => facts.files[path] !== undefined)
      .flatMap(path => removeFile(tool, facts, id, path)),
    ...(record?.sent ?? []).map(removeSent),
  ]
  return [
    ...(isStuck ? [repairStep(tool, id, broken)] : []),
    ...(toRelease.length > 0 ? [releaseStep(tool, toRelease)] : []),
    ...(toHold.length > 0 ? [holdStep(tool, toHold)] : []),
    ...(isCounted ? [removeStep(tool, id, lines(added))] : []),
    ...(sources.length > 0 ? [step("Remove the package repositories that were added", sources)] : []),
    ...(record ? [step(`Forget the set ${id}`, [remove(recordPath(recordName(id)))])] : []),
  ]
}
