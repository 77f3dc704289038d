import { join } from "node:path"
import { withoutUserInfo } from "../../../secret.ts"
import { lines } from "../../facts/sections.ts"
import type { HostFacts } from "../../facts/types.ts"
import { RECORDS } from "../../records.ts"
import { type Plan, remove, run, step, upload, write } from "../../step.ts"
import type { RepositoryWanted } from "../wanted.ts"
import type { PackageDirectory, PackageKind } from "./directory.ts"

/** Where a directory of packages lies on the host once it was sent. */
export function repositoryDirectory(name: string): string {
  return `${RECORDS}/repositories/${name}`
}

/** Where package tools find a repository. */
export function repositoryUrl({ name, url }: RepositoryWanted): string {
  return url ?? `file://${repositoryDirectory(name)}`
}

/** The same for people: who may read the repository is nobody else's business. */
export function shownUrl(repository: RepositoryWanted): string {
  return withoutUserInfo(repositoryUrl(repository))
}

/** The packages of a directory that a host's package tool can install, with their digests. */
export function packagesOfKind({ contents }: PackageDirectory, kind: PackageKind): [string, string][] {
  return Object.entries(contents)
    .filter(([file]) => file.endsWith(`.${kind}`))
    .sort(([one], [other]) => (one < other ? -1 : 1))
}

/**
 * Sends what the host does not have of a directory of packages, and makes it a repository there. `SHA256SUMS`
 * (sha256sum(1)) is written last: it says what is there whole, to the next plan and to people.
 */
export function planSending(
  facts: HostFacts,
  name: string,
  directory: PackageDirectory,
  kind: PackageKind,
): Plan {
  const base = repositoryDirectory(name)
  const wanted = packagesOfKind(directory, kind)
  const line = (file: string, sha256: string) => `${sha256}  ${file}`
  const sums = `${wanted.map(([file, sha256]) => line(file, sha256)).join("\n")}\n`
  const whole = lines(facts.files[`${base}/SHA256SUMS`])
  const missing = wanted.filter(
    ([file, sha256]) => facts.files[`${base}/${file}`] === undefined || !whole.includes(line(file, sha256)),
  )
  if (missing.length === 0 && facts.files[`${base}/SHA256SUMS`] === sums) return []
  const stale = Object.keys(facts.files).filter(
    path =>
      path.startsWith(`${base}/`) &&
      /\.(deb|rpm)$/.test(path) &&
      !wanted.some(([file]) => path === `${base}/${file}`),
  )
  const index = Object.entries(directory.opened?.[kind].index ?? {})
  return [
    step(
      `Send ${missing.length} of the ${wanted.length} packages in ${directory.path} as the repository ${name}`,
      [
        run(["mkdir", "-p", base]),
        ...missing.map(([file, sha256]) => upload(join(directory.path, file), `${base}/${file}`, sha256)),
        // An index of before, whose name is its digest.
        run(["rm", "-rf", `${base}/repodata`], { byHand: [] }),
        ...index.map(([file, content]) => write(`${base}/${file}`, content)),
        ...stale.map(remove),
        write(`${base}/SHA256SUMS`, sums),
      ],
      {
        undo: [run(["rm", "-rf", base])],
        note: "They are trusted by the SHA-256 that they have on this machine.",
      },
    ),
  ]
}
