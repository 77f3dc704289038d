import { Secret } from "../../secret.ts"
import type { Command } from "../../ssh/command.ts"
import type { HostFacts } from "../facts/types.ts"
import { RECORDS } from "../records.ts"
import { type Action, type RunAction, remove, run, type Step, step, upload, write } from "../step.ts"
import { keyFingerprints } from "./openpgp.ts"
import { packageProgress } from "./progress.ts"
import { repositoryDirectory, shownUrl } from "./repository/send.ts"
import { isPrivate, PACKAGES_SH, type PackageTool } from "./tools.ts"
import type { PackageFile, PackagesWanted, PackageWanted } from "./wanted.ts"

/** A verb of packages.sh. Installing may take as long as a slow mirror does. */
function helper(byHand: Command, verb: string, ...words: string[]): RunAction {
  return run(["sh", "-s", verb, ...words], { stdin: PACKAGES_SH, timeout: 3_600_000, byHand })
}

/** A command of the tool itself, when no other package manager is at work. */
function inTurn(command: Command): RunAction {
  return helper(command, "run", ...command)
}

export function repairStep(tool: PackageTool, id: string, broken: readonly string[]): Step {
  return step(
    `Mend a package run that was cut off (${broken.join(", ")})`,
    [helper(tool.mendByHand, `mend-${tool.database}`, id)],
    { progress: packageProgress },
  )
}

/** For a run that was cut off when all was there: whatever else comes later would be taken for its own. */
export function countStep({ database }: PackageTool, id: string): Step {
  return step("Count what a run that was cut off has added", [helper([], "count", id, database)], {
    progress: packageProgress,
  })
}

/**
 * `expected`: packages that are now to be had. A repository that does not answer, or has not what it is added for, is
 * taken away again: with it the host's package tool would fail for everybody.
 */
export function repositoryStep(
  tool: PackageTool,
  facts: HostFacts,
  { id, repositories = [] }: PackagesWanted,
  changed: readonly [string, string][],
  stale: readonly Action[],
  expected: readonly string[],
): Step {
  const unsigned = repositories.filter(({ allowUnsigned }) => allowUnsigned).map(({ name }) => name)
  const trust = changed.flatMap(([path, content]) => trustKey(tool, id, path, content, "trust"))
  return step(
    repositories.length > 0
      ? `Add the package repositories ${repositories.map(one => `${one.name} (${shownUrl(one)})`).join(", ")}`
      : "Remove package repositories",
    [
      ...changed.map(([path, content]) => writeSource(path, content)),
      ...trust,
      ...stale,
      ...(expected.length > 0
        ? [inTurn(tool.refresh), helper([], "offered", facts.packages.manager!, ...expected)]
        : []),
    ],
    {
      whole: true,
      progress: packageProgress,
      undo: [
        ...changed.flatMap(([path, content]) => trustKey(tool, id, path, content, "distrust")),
        ...changed.map(([path]) => restore(facts, path)),
      ],
      ...(unsigned.length > 0
        ? { note: `Packages of ${unsigned.join(", ")} are not checked for a signature, as was asked.` }
        : {}),
    },
  )
}

function writeSource(path: string, content: string): Action {
  return isPrivate(content) ? write(path, new Secret(content), 0o600) : write(path, content)
}

function restore({ files }: HostFacts, path: string): Action {
  const before = files[path]
  return before === undefined ? remove(path) : writeSource(path, before)
}

export function installStep(
  tool: PackageTool,
  fetched: boolean,
  id: string,
  packages: readonly PackageWanted[],
): Step {
  const words = tool.install(packages)
  const titles = packages.map(({ name, version }) => (version ? `${name} ${version}` : name))
  // Lists that were never fetched know no package; those of a new repository do not exist yet.
  const refresh = fetched ? [] : [inTurn(tool.refresh)]
  const actions = [...refresh, helper(words, "install", id, tool.database, ...words)]
  return step(`Install ${titles.join(", ")}`, actions, {
    undo: [helper(tool.remove(packages.map(({ name }) => name)), "remove", id, tool.database)],
    progress: packageProgress,
  })
}

/**
 * Before the packages: a release RPM brings the repository that they come from. `done` writes down which files are
 * installed, and comes last: those of a run that was cut off are installed again.
 */
export function installFilesStep(
  tool: PackageTool,
  wanted: PackagesWanted,
  files: readonly PackageFile[],
  done: Action,
): Step {
  const { id, repositories = [] } = wanted
  const landed = ({ name }: PackageFile) => `${RECORDS}/packages/${id}.${name}.${tool.extension}`
  const words = tool.installFiles(files.map(landed))
  const names = files.map(({ name }) => name)
  return step(
    `Install ${names.join(", ")}`,
    [
      run(["mkdir", "-p", `${RECORDS}/packages`]),
      ...files.map(file => upload(file.source, landed(file), file.sha256)),
      // What a file needs may come from a repository. dnf and zypper have none to ask on some hosts.
      ...(tool.database === "dpkg" || repositories.length > 0 ? [inTurn(tool.refresh)] : []),
      helper(words, "install", id, tool.database, ...words),
      ...(tool.database === "rpm" ? [helper([], "renew", ...files.map(landed))] : []),
      ...files.map(file => remove(landed(file))),
      done,
    ],
    {
      undo: [helper(tool.remove(names), "remove", id, tool.database)],
      progress: packageProgress,
      note: "They are trusted by their SHA-256.",
    },
  )
}

export function releaseStep(tool: PackageTool, names: readonly string[]): Step {
  return step(`Let upgrades have ${names.join(", ")} again`, [inTurn(tool.release(names))], {
    progress: packageProgress,
  })
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
  // The text of a key that is refused is empty: there is nothing to trust.
  if (database !== "rpm" || !path.endsWith(".asc") || armoured === "") return []
  // The first is the one that was written down, should an earlier version have sent more than that.
  const short = keyFingerprints(armoured)[0]!.slice(-8).toLowerCase()
  const byHand = verb === "trust" ? ["rpm", "--import", path] : ["rpm", "-e", `gpg-pubkey-${short}`]
  return [helper(byHand, verb, id, short, path)]
}

export function holdStep(tool: PackageTool, names: readonly string[], then: readonly Action[] = []): Step {
  return step(`Hold ${names.join(", ")}`, [inTurn(tool.hold(names)), ...then], {
    undo: [inTurn(tool.release(names))],
    progress: packageProgress,
  })
}

/** Takes away what was added, dependencies that came along included; `names` are for people. */
export function removeStep(tool: PackageTool, id: string, names: readonly string[]): Step {
  return step(
    "Remove the packages that were added",
    [helper(tool.remove(names), "remove", id, tool.database)],
    { progress: packageProgress },
  )
}

/** Takes a repository's file away, and the trust in the key that it is. */
export function removeFile(tool: PackageTool, facts: HostFacts, id: string, path: string): Action[] {
  return [...trustKey(tool, id, path, facts.files[path] ?? "", "distrust"), remove(path)]
}

/** Takes away a directory of packages that was sent. */
export function removeSent(name: string): RunAction {
  return run(["rm", "-rf", repositoryDirectory(name)])
}
