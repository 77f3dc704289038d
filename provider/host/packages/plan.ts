import type { Command } from "../../ssh/command.ts"
import { lines } from "../facts/sections.ts"
import type { HostFacts } from "../facts/types.ts"
import { RECORDS, readRecord, recordPath, recordText } from "../records.ts"
import {
  type Action,
  type Plan,
  type RunAction,
  remove,
  run,
  type Step,
  step,
  upload,
  write,
} from "../step.ts"
import { keyFingerprint } from "./openpgp.ts"
import { packageProgress } from "./progress.ts"
import { planSending, repositoryDirectory, repositoryUrl } from "./repository/send.ts"
import { HOLD_PACKAGES, MEND, PACKAGES_SH, type PackageTool, packageTool } from "./tools.ts"
import type { PackagesWanted, PackageWanted, RepositoryWanted } from "./wanted.ts"

/** What a set has put on the host, beside the packages themselves (those are counted on the host). */
export interface PackagesRecord {
  readonly files: readonly string[]
  readonly held: readonly string[]
  /** Names of the repositories that were sent; absent when none was. */
  readonly sent?: readonly string[]
}

const recordName = (id: string) => `packages/${id}`

/** A verb of packages.sh. Installing may take as long as a slow mirror does. */
function helper(byHand: Command, verb: string, ...words: string[]): RunAction {
  return run(["sh", "-s", verb, ...words], { stdin: PACKAGES_SH, timeout: 3_600_000, byHand })
}

/** A command of the tool itself, when no other package manager is at work. */
function inTurn(command: Command): RunAction {
  return helper(command, "run", ...command)
}

/** Names whose versions the facts must hold for this plan. */
export function packageNames({ packages = [], files = [] }: PackagesWanted): string[] {
  return [...HOLD_PACKAGES, ...packages.map(named), ...files.map(({ name }) => name)]
}

/** The least that brings the set onto the host: keys, repositories, packages, holds. */
export function planPackages(facts: HostFacts, wanted: PackagesWanted): Plan {
  const { manager, installed, held, broken } = facts.packages
  if (manager === undefined) return []
  const tool = packageTool(manager)
  const { id, repositories = [], files = [] } = wanted
  const packages = completed(tool, wanted)
  const record = readRecord<PackagesRecord>(facts.files, recordName(id))
  const repositoryFiles = Object.assign({}, ...repositories.map(one => tool.repositoryFiles(one))) as Record<
    string,
    string
  >
  const changed = Object.entries(repositoryFiles).filter(([path, content]) => facts.files[path] !== content)
  const stale = (record?.files ?? []).filter(
    path => !(path in repositoryFiles) && facts.files[path] !== undefined,
  )
  const missing = packages.filter(
    ({ name, version }) =>
      installed[name] === undefined || (version !== undefined && installed[name] !== version),
  )
  const missingFiles = files.filter(({ name }) => installed[name] === undefined)
  // A hold keeps rpm's tools from the very version that is wanted, and apt forgets it with the change.
  const stuck = missing.filter(({ name }) => held.includes(name)).map(named)
  const toHold = packages
    .filter(({ name, hold }) => (hold && !held.includes(name)) || stuck.includes(name))
    .map(named)
  const toRelease = (record?.held ?? []).filter(
    name =>
      held.includes(name) && !stuck.includes(name) && !packages.some(one => one.name === name && one.hold),
  )
  const sent = repositories.filter(({ directory }) => directory).map(({ name }) => name)
  const next: PackagesRecord = {
    files: Object.keys(repositoryFiles),
    held: packages.filter(({ hold }) => hold).map(({ name }) => name),
    ...(sent.length > 0 && { sent }),
  }
  const staleSent = (record?.sent ?? []).filter(name => !sent.includes(name))
  const sending = repositories.flatMap(({ name, directory }) =>
    directory ? planSending(facts, name, directory, tool.extension) : [],
  )
  const recordChanged = facts.files[recordPath(recordName(id))] !== recordText(next)
  return [
    ...(broken.length > 0 ? [repairStep(tool, broken)] : []),
    ...(recordChanged && (changed.length > 0 || sending.length > 0 || next.held.length > 0 || record)
      ? [
          step(`Write down what the set ${id} puts on the host`, [
            write(recordPath(recordName(id)), recordText(next)),
          ]),
        ]
      : []),
    ...sending,
    ...(changed.length > 0 || stale.length > 0 || staleSent.length > 0
      ? [
          repositoryStep(tool, wanted, changed, [
            ...stale.flatMap(path => removeFile(tool, facts, id, path)),
            ...staleSent.map(removeSent),
          ]),
        ]
      : []),
    ...(stuck.length > 0 ? [releaseStep(tool, stuck)] : []),
    ...(missing.length > 0 || missingFiles.length > 0
      ? [installStep(tool, wanted, missing, missingFiles, changed.length > 0)]
      : []),
    ...(toRelease.length > 0 ? [releaseStep(tool, toRelease)] : []),
    ...(toHold.length > 0
      ? [
          step(`Hold ${toHold.join(", ")}`, [inTurn(tool.hold(toHold))], {
            undo: [inTurn(tool.release(toHold))],
            progress: packageProgress,
          }),
        ]
      : []),
  ]
}

const named = ({ name }: PackageWanted): string => name

/** With the versions that directories offer, and with the package that a hold needs. */
function completed(tool: PackageTool, { packages = [], repositories = [] }: PackagesWanted): PackageWanted[] {
  const holder = packages.some(({ hold }) => hold) ? tool.holdPackage : undefined
  return [
    ...(holder !== undefined && !packages.some(({ name }) => name === holder) ? [{ name: holder }] : []),
    ...packages.map(one => ({ ...offeredVersion(tool, repositories, one.name), ...one })),
  ]
}

function releaseStep(tool: PackageTool, names: readonly string[]): Step {
  return step(`Let upgrades have ${names.join(", ")} again`, [inTurn(tool.release(names))], {
    progress: packageProgress,
  })
}

function repairStep(tool: PackageTool, broken: readonly string[]): Step {
  return step(
    `Mend a package run that was cut off (${broken.join(", ")})`,
    tool.repair.map(command => (command === MEND ? helper([], "mend") : inTurn(command))),
    { progress: packageProgress },
  )
}

function repositoryStep(
  tool: PackageTool,
  { id, repositories = [] }: PackagesWanted,
  changed: readonly [string, string][],
  stale: readonly Action[],
): Step {
  const unsigned = repositories.filter(({ allowUnsigned }) => allowUnsigned).map(({ name }) => name)
  const trust = changed.flatMap(([path, content]) => trustKey(tool, id, path, content, "trust"))
  return step(
    repositories.length > 0
      ? `Add the package repositories ${repositories.map(one => `${one.name} (${repositoryUrl(one)})`).join(", ")}`
      : "Remove package repositories",
    [...changed.map(([path, content]) => write(path, content)), ...trust, ...stale],
    {
      progress: packageProgress,
      undo: [
        ...changed.flatMap(([path, content]) => trustKey(tool, id, path, content, "distrust")),
        ...changed.map(([path]) => remove(path)),
      ],
      ...(unsigned.length > 0
        ? { note: `Packages of ${unsigned.join(", ")} are not checked for a signature, as was asked.` }
        : {}),
    },
  )
}

function installStep(
  tool: PackageTool,
  { id, repositories = [] }: PackagesWanted,
  packages: PackagesWanted["packages"] & {},
  files: PackagesWanted["files"] & {},
  refresh: boolean,
): Step {
  const landed = (name: string) => `${RECORDS}/packages/${id}.${name}.${tool.extension}`
  const words = tool.install(
    packages,
    files.map(({ name }) => landed(name)),
  )
  const names = [
    ...packages.map(({ name, version }) => (version ? `${name} ${version}` : name)),
    ...files.map(({ name }) => name),
  ]
  const uploads: Action[] = files.map(({ name, source, sha256 }) => upload(source, landed(name), sha256))
  return step(
    `Install ${names.join(", ")}`,
    [
      ...(files.length > 0 ? [run(["mkdir", "-p", `${RECORDS}/packages`])] : []),
      ...uploads,
      // Lists that were never fetched know no package; those of a new repository do not exist yet.
      ...(packages.length > 0 || refresh || repositories.length > 0 ? [inTurn(tool.refresh)] : []),
      helper(words, "install", id, tool.database, ...words),
      ...files.map(({ name }) => remove(landed(name))),
    ],
    {
      undo: [helper(tool.remove(names.map(name => name.split(" ")[0]!)), "remove", id, tool.database)],
      progress: packageProgress,
    },
  )
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

/**
 * rpm has a list of keys of its own, which repositories and packages are checked against; what it had before is not
 * removed with a set. apt reads the key's file.
 */
function trustKey(
  { database }: PackageTool,
  id: string,
  path: string,
  armoured: string,
  verb: "trust" | "distrust",
): RunAction[] {
  if (database !== "rpm" || !path.endsWith(".asc")) return []
  const short = keyFingerprint(armoured).slice(-8).toLowerCase()
  const byHand = verb === "trust" ? ["rpm", "--import", path] : ["rpm", "-e", `gpg-pubkey-${short}`]
  return [helper(byHand, verb, id, short, path)]
}

/** Takes a repository's file away, and the trust in the key that it is. */
function removeFile(tool: PackageTool, facts: HostFacts, id: string, path: string): Action[] {
  return [...trustKey(tool, id, path, facts.files[path] ?? "", "distrust"), remove(path)]
}

function removeSent(name: string): RunAction {
  return run(["rm", "-rf", repositoryDirectory(name)])
}

/** Removes just what the set has added: packages, repositories, keys, holds. */
export function planPackagesRemoval(facts: HostFacts, id: string): Plan {
  const { manager, held } = facts.packages
  if (manager === undefined) return []
  const tool = packageTool(manager)
  const record = readRecord<PackagesRecord>(facts.files, recordName(id))
  const added = facts.files[`${RECORDS}/packages/${id}.added`]
  const begun = facts.files[`${RECORDS}/packages/${id}.before`] !== undefined
  const toRelease = (record?.held ?? []).filter(name => held.includes(name))
  const files = (record?.files ?? []).filter(path => facts.files[path] !== undefined)
  const sent = record?.sent ?? []
  return [
    ...(toRelease.length > 0 ? [releaseStep(tool, toRelease)] : []),
    ...(added !== undefined || begun
      ? [
          step(
            "Remove the packages that were added",
            [helper(tool.remove(lines(added)), "remove", id, tool.database)],
            {
              progress: packageProgress,
            },
          ),
        ]
      : []),
    ...(files.length > 0 || sent.length > 0
      ? [
          step("Remove the package repositories that were added", [
            ...files.flatMap(path => removeFile(tool, facts, id, path)),
            ...sent.map(removeSent),
          ]),
        ]
      : []),
    ...(record ? [step(`Forget the set ${id}`, [remove(recordPath(recordName(id)))])] : []),
  ]
}
