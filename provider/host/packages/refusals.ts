import type { HostFacts } from "../facts/types.ts"
import { type Refusal, refusal } from "../refusal.ts"
import { KeyFormatError } from "./armour.ts"
import { keyFingerprint, plainFingerprint, SeveralKeysError, sameFingerprint } from "./openpgp.ts"
import { packagesOfKind, repositoryUrl, shownUrl } from "./repository/send.ts"
import { type PackageTool, packageTool } from "./tools.ts"
import { isPackageName, isPackageVersion, type PackagesWanted, type RepositoryWanted } from "./wanted.ts"

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
            "Take a machine with Debian, EL or SUSE, or install one of them on it.",
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
    ...repositories.flatMap(repository => (manager ? refuseDirectory(repository, packageTool(manager)) : [])),
  ]
}

/** What a directory of packages must be for the host's package tool. */
function refuseDirectory({ name, directory, key }: RepositoryWanted, { extension }: PackageTool): Refusal[] {
  if (directory === undefined) return []
  const found: Refusal[] = []
  if (packagesOfKind(directory, extension).length === 0)
    found.push(
      refusal(
        "package-missing",
        `The directory ${directory.path} of the repository ${name} holds no .${extension}, which is what the host installs.`,
        "Give the packages that were built for this distribution.",
      ),
    )
  if (key && extension === "deb")
    found.push(
      refusal(
        "key",
        `The packages of the repository ${name} cannot be checked by its key: a .deb has no signature of its own.`,
        "Leave the key out: a directory's packages are trusted by their SHA-256.",
      ),
    )
  return found
}

function refuseRepository(repository: RepositoryWanted): Refusal[] {
  const { name, key, directory, allowUnsigned } = repository
  const url = repositoryUrl(repository)
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
        `${JSON.stringify(shownUrl(repository))} is no address of a repository.`,
        "Use https://, http:// or file://.",
      ),
    )
  if (!key && !allowUnsigned && !directory)
    found.push(
      refusal(
        "unsigned",
        `The repository ${name} has no key, so its packages could not be checked.`,
        "Give its key and fingerprint, or say allowUnsigned: true for this repository.",
      ),
    )
  return [...found, ...refuseKey(repository)]
}

/** A key must be the one that was promised, and come alone: the host trusts whatever the text holds. */
function refuseKey({ name, key }: RepositoryWanted): Refusal[] {
  if (key === undefined) return []
  try {
    const seen = keyFingerprint(key.armoured)
    if (sameFingerprint(seen, key.fingerprint)) return []
    return [
      refusal(
        "key",
        `The key of the repository ${name} has the fingerprint ${seen}, and not ${key.fingerprint}.`,
        "Take the key and its fingerprint from two different places, and compare.",
      ),
    ]
  } catch (error) {
    if (error instanceof SeveralKeysError)
      return [
        refusal(
          "key",
          `The text of the key of the repository ${name} holds ${error.fingerprints.length} keys ` +
            `(${error.fingerprints.join(", ")}), and the host would trust every one of them.`,
          `Give the one key alone (gpg --export --armor ${plainFingerprint(key.fingerprint)}).`,
        ),
      ]
    if (!(error instanceof KeyFormatError)) throw error
    return [
      refusal(
        "key",
        `The key of the repository ${name} cannot be read: ${error.message}.`,
        "Give it ASCII-armoured (gpg --armor --export).",
      ),
    ]
  }
}
