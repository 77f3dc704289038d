import type { HostFacts } from "../facts/types.ts"
import { packageTool } from "./tools.ts"
import type { PackagesWanted } from "./wanted.ts"

/** Names that are to come from the host's package repositories, as far as that can be told. */
export interface Expected {
  /** Of those that the host has now: known before anything is changed. */
  readonly fromHost: readonly string[]
  /** Of those that it has once the set's own are added: known then. */
  readonly fromNew: readonly string[]
}

/**
 * What is not installed, and offered by nothing of the set itself: no package file, no directory of packages. Nothing
 * can be told while a file is to be installed, which may bring a repository with it.
 */
export function expectedPackages(facts: HostFacts, wanted: PackagesWanted): Expected {
  const { manager, installed } = facts.packages
  const { packages = [], repositories = [], files = [] } = wanted
  if (manager === undefined || files.some(({ name }) => installed[name] === undefined))
    return { fromHost: [], fromNew: [] }
  const tool = packageTool(manager)
  const offered = repositories.flatMap(({ directory }) => directory?.opened?.[tool.extension].names ?? [])
  const names = packages
    .map(({ name }) => name)
    .filter(name => installed[name] === undefined && !offered.includes(name))
  const isNew = repositories.some(
    one =>
      one.url !== undefined &&
      Object.entries(tool.repositoryFiles(one)).some(([path, content]) => facts.files[path] !== content),
  )
  return isNew ? { fromHost: [], fromNew: names } : { fromHost: names, fromNew: [] }
}
