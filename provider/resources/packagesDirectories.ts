import {
  openDirectory,
  type PackageDirectory,
  PackageDirectoryError,
  readContents,
} from "../host/packages/repository/directory.ts"
import type { Failure } from "../rpc/check.ts"
import type { Partly } from "../rpc/declare.ts"
import type { Directories, Inputs, RepositoryInput } from "./packagesInputs.ts"

/** Reads the directories again, which must hold what they held when the program was checked. */
export async function openDirectories({ repositories }: Inputs): Promise<Directories> {
  const opened = new Map<string, PackageDirectory>()
  for (const { name, directory, contents = {} } of repositories)
    if (directory !== undefined) opened.set(name, await openDirectory(directory, contents))
  return opened
}

/** Finds out what is in the directories: their contents become inputs, so that a changed package is a change. */
export async function checkRepositories(repositories: Partly<Inputs>["repositories"]) {
  const failures: Failure[] = []
  const checked: RepositoryInput[] = []
  for (const [at, one] of (repositories ?? []).entries()) {
    const repository = one as RepositoryInput
    const fail = (reason: string): void => void failures.push({ property: `repositories[${at}]`, reason })
    checked.push(repository)
    if ((repository.url === undefined) === (repository.directory === undefined))
      fail(`the repository ${repository.name} needs either url or directory`)
    if (repository.directory === undefined) continue
    try {
      const contents = await readContents(repository.directory)
      const wrong = repository.contents && differences(repository.contents, contents)
      if (wrong?.length)
        fail(
          `the directory ${repository.directory} is not what contents says: ${wrong.join(", ")}; correct either`,
        )
      checked[at] = { ...repository, contents }
    } catch (error) {
      if (!(error instanceof PackageDirectoryError)) throw error
      fail(error.message)
    }
  }
  return failures.length > 0 ? { failures } : { inputs: { repositories: checked } }
}

/** What differs, in words: "a.rpm has another SHA-256". */
function differences(
  wanted: Readonly<Record<string, string>>,
  seen: Readonly<Record<string, string>>,
): string[] {
  const names = [...new Set([...Object.keys(wanted), ...Object.keys(seen)])].sort()
  return names.flatMap(name => {
    if (wanted[name] === seen[name]) return []
    if (seen[name] === undefined) return [`${name} is missing`]
    return [wanted[name] === undefined ? `${name} is not in it` : `${name} has the SHA-256 ${seen[name]}`]
  })
}
