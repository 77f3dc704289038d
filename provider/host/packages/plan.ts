import type { Command } from "../../ssh/command.ts"
import { lines } from "../facts/sections.ts"
import type { HostFacts } from "../facts/types.ts"
import { RECORDS, readRecord, recordPath, recordText } from "../records.ts"
import { type Refusal, refusal } from "../refusal.ts"
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
import { KeyFormatError, keyFingerprint, sameFingerprint } from "./openpgp.ts"
import { packageProgress } from "./progress.ts"
import { PACKAGES_SH, type PackageTool, packageTool } from "./tools.ts"
import { isPackageName, isPackageVersion, type PackagesWanted, type RepositoryWanted } from "./wanted.ts"

/** What a set has put on the host, beside the packages themselves (those are counted on the host). */
export interface PackagesRecord {
  readonly files: readonly string[]
  readonly held: readonly string[]
}

const recordName = (id: string) => `packages/${id}`

/** A verb of packages.sh. Installing may take as long as a slow mirror does. */
function helper(byHand: Command, verb: string, ...words: string[]): RunAction {
  return run(["sh", "-s", verb, ...words], { stdin: PACKAGES_SH, timeout: 3_600_000, byHand })
}

/** Names whose versions the facts must hold for this plan. */
export function packageNames({ packages = [], files = [] }: PackagesWanted): string[] {
  return [...packages, ...files].map(({ name }) => name)
}

/** The least that brings the set onto the host: keys, repositories, packages, holds. */
export function planPackages(facts: HostFacts, wanted: PackagesWanted): Plan {
  const { manager, installed, held, broken } = facts.packages
  if (manager === undefined) return []
  const tool = packageTool(manager)
  const { id, packages = [], repositories = [], files = [] } = wanted
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
  const toHold = packages.filter(({ name, hold }) => hold && !held.includes(name)).map(({ name }) => name)
  const toRelease = (record?.held ?? []).filter(
    name => held.includes(name) && !packages.some(one => one.name === name && one.hold),
  )
  const next: PackagesRecord = {
    files: Object.keys(repositoryFiles),
    held: packages.filter(({ hold }) => hold).map(({ name }) => name),
  }
  const recordChanged = facts.files[recordPath(recordName(id))] !== recordText(next)
  return [
    ...(broken.length > 0 ? [repairStep(tool, broken)] : []),
    ...(recordChanged && (changed.length > 0 || next.held.length > 0 || record)
      ? [
          step(`Write down what the set ${id} puts on the host`, [
            write(recordPath(recordName(id)), recordText(next)),
          ]),
        ]
      : []),
    ...(changed.length > 0 || stale.length > 0 ? [repositoryStep(tool, repositories, changed, stale)] : []),
    ...(missing.length > 0 || missingFiles.length > 0
      ? [installStep(tool, wanted, missing, missingFiles, changed.length > 0)]
      : []),
    ...(toRelease.length > 0
      ? [step(`Let upgrades have ${toRelease.join(", ")} again`, [run(tool.release(toRelease)!)])]
      : []),
    ...(toHold.length > 0
      ? [step(`Hold ${toHold.join(", ")}`, [run(tool.hold(toHold)!)], { undo: [run(tool.release(toHold)!)] })]
      : []),
  ]
}

function repairStep(tool: PackageTool, broken: readonly string[]): Step {
  return step(`Mend a package run that was cut off (${broken.join(", ")})`, [
    helper([], "await", "600"),
    ...tool.repair.map(command => run(command, { env: { DEBIAN_FRONTEND: "noninteractive" } })),
  ])
}

function repositoryStep(
  tool: PackageTool,
  repositories: readonly RepositoryWanted[],
  changed: readonly [string, string][],
  stale: readonly string[],
): Step {
  const keys = repositories.filter(({ key }) => key).map(({ name }) => tool.keyPath(name))
  const unsigned = repositories.filter(({ allowUnsigned }) => allowUnsigned).map(({ name }) => name)
  const trust = changed.flatMap(([path]) => {
    const command = keys.includes(path) ? tool.trust(path) : undefined
    return command ? [run(command)] : []
  })
  return step(
    repositories.length > 0
      ? `Add the package repositories ${repositories.map(({ name, url }) => `${name} (${url})`).join(", ")}`
      : "Remove package repositories",
    [...changed.map(([path, content]) => write(path, content)), ...trust, ...stale.map(path => remove(path))],
    {
      undo: changed.map(([path]) => remove(path)),
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
      ...uploads,
      helper([], "await", "600"),
      // Lists that were never fetched know no package; those of a new repository do not exist yet.
      ...(packages.length > 0 || refresh || repositories.length > 0
        ? [run(tool.refresh, { timeout: 900_000 })]
        : []),
      helper(words, "install", id, tool.database, ...words),
      ...files.map(({ name }) => remove(landed(name))),
    ],
    {
      undo: [helper(tool.remove(names.map(name => name.split(" ")[0]!)), "remove", id, tool.database)],
      progress: packageProgress,
    },
  )
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
  return [
    ...(toRelease.length > 0
      ? [step(`Let upgrades have ${toRelease.join(", ")} again`, [run(tool.release(toRelease)!)])]
      : []),
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
    ...(files.length > 0 ? [step("Remove the package repositories that were added", files.map(remove))] : []),
    ...(record ? [step(`Forget the set ${id}`, [remove(recordPath(recordName(id)))])] : []),
  ]
}

/** What must not be attempted, all of it at once, before anything is changed. */
export function refusePackages(facts: HostFacts, wanted: PackagesWanted): Refusal[] {
  const { packages = [], repositories = [], files = [] } = wanted
  const manager = facts.packages.manager
  return [
    ...(manager === undefined
      ? [
          refusal(
            "os",
            `${facts.os.prettyName} has none of apt, dnf, yum and zypper.`,
            "Debian, EL and SUSE are supported.",
          ),
        ]
      : []),
    ...[...packages, ...files]
      .filter(({ name }) => !isPackageName(name))
      .map(({ name }) =>
        refusal(
          "input",
          `${JSON.stringify(name)} is no name of a package.`,
          "Use the name that the package tool lists.",
        ),
      ),
    ...packages
      .filter(({ version }) => version !== undefined && !isPackageVersion(version))
      .map(({ name, version }) =>
        refusal(
          "input",
          `${JSON.stringify(version)} is no version of ${name}.`,
          "Write it as the package tool lists it.",
        ),
      ),
    ...repositories.flatMap(repository => refuseRepository(repository)),
  ]
}

function refuseRepository({ name, url, key, allowUnsigned }: RepositoryWanted): Refusal[] {
  const found: Refusal[] = []
  if (!/^[a-z0-9][a-z0-9-]*$/.test(name))
    found.push(
      refusal(
        "input",
        `${JSON.stringify(name)} is no name for a repository.`,
        "Use lower-case letters, digits and hyphens.",
      ),
    )
  if (!/^(https?|file):\/\/\S+$/.test(url))
    found.push(
      refusal(
        "input",
        `${JSON.stringify(url)} is no address of a repository.`,
        "Use https://, http:// or file://.",
      ),
    )
  if (!key && !allowUnsigned)
    found.push(
      refusal(
        "unsigned",
        `The repository ${name} has no key, so its packages could not be checked.`,
        "Give its key and fingerprint, or say allowUnsigned: true for this repository.",
      ),
    )
  if (key) {
    try {
      const seen = keyFingerprint(key.armoured)
      if (!sameFingerprint(seen, key.fingerprint))
        found.push(
          refusal(
            "key",
            `The key of the repository ${name} has the fingerprint ${seen}, and not ${key.fingerprint}.`,
            "Take the key and its fingerprint from two different places, and compare.",
          ),
        )
    } catch (error) {
      if (!(error instanceof KeyFormatError)) throw error
      found.push(
        refusal(
          "key",
          `The key of the repository ${name} cannot be read: ${error.message}.`,
          "Give it ASCII-armoured (gpg --armor --export).",
        ),
      )
    }
  }
  return found
}
