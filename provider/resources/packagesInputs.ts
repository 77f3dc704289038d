import type { HostFacts } from "../host/index.ts"
import { XEN_COMPANIONS, xenPackages } from "../host/packages/available.ts"
import type { PackageDirectory } from "../host/packages/repository/directory.ts"
import { HOLD_PACKAGES } from "../host/packages/tools.ts"
import type { PackagesWanted, PackageWanted, RepositoryWanted } from "../host/packages/wanted.ts"
import {
  either,
  type Fields,
  flag,
  incidental,
  type Known,
  list,
  madeFrom,
  map,
  object,
  optional,
  text,
  withDefault,
} from "../rpc/declare.ts"
import { connection } from "./connection.ts"
import { given } from "./given.ts"

// Debian policy 5.6.1 and RPM; never an option, never a glob.
const packageName = { pattern: /[A-Za-z0-9][A-Za-z0-9+._-]*/, says: "a package's name" }
const version = { pattern: /[A-Za-z0-9][A-Za-z0-9.+:~^_-]*/, says: "a package's version" }
const digest = { pattern: /[0-9a-f]{64}/, says: "a SHA-256 in 64 lower-case hexadecimal digits" }

const wantedPackage = object("package", "Package", {
  name: text("name", packageName),
  version: optional(text("version, as the package tool writes it; by default the newest at first", version)),
  hold: optional(flag("whether upgrades leave it alone")),
})

const repository = object("package repository", "Repository", {
  name: text("name, from which its files on the host are named", {
    pattern: /[a-z0-9][a-z0-9-]*/,
    says: "lower-case letters, digits and hyphens",
  }),
  url: optional(
    text("address: https, http, or file for one that lies on the host", {
      pattern: /(https?|file):\/\/\S+/,
      says: "an address that begins with https://, http:// or file://",
    }),
  ),
  directory: optional(
    incidental(
      text(
        "in the place of url: directory of this machine with packages, which are sent and made a repository",
        { pattern: /[^\0\r\n]+/, says: "a path on one line" },
      ),
    ),
  ),
  contents: optional(
    map(
      "SHA-256 of the directory's packages by file name; by default what they have now",
      text("SHA-256", digest),
    ),
  ),
  suites: optional(list("apt: suites; by default ./, a flat repository", text("suite"))),
  components: optional(list("apt: components", text("component"))),
  key: optional(
    object("the key that its packages are signed with", "RepositoryKey", {
      armoured: text("the public key in ASCII armour"),
      fingerprint: text("its fingerprint, as read in another place than the key"),
    }),
  ),
  allowUnsigned: optional(flag("whether packages without a signature are taken from this repository")),
})

const file = object("package file of this machine", "PackageFile", {
  name: text("name of the package in it", packageName),
  source: text("path on this machine"),
  sha256: text("SHA-256 of the file", digest),
})

/** What a program says of a set of packages. */
export const inputs = {
  connection,
  xen: withDefault(flag("whether Xen is wanted, by the names that the host's distribution gives it"), false),
  packages: withDefault(
    list(
      "packages beside these: a name, or a name with version and hold",
      either("package", text("name", packageName), wantedPackage),
    ),
    [],
  ),
  // What a directory holds is computed and added to it; what is secret stays so in its own place.
  repositories: madeFrom([], withDefault(list("repositories to add", repository), [])),
  files: withDefault(list("packages to send and install, such as a release RPM", file), []),
} as const satisfies Fields

export type Inputs = Known<typeof inputs>

/** The same in the words of the host's plans; which packages Xen is, its distribution says. */
export function wantedOf(
  id: string,
  from: Inputs,
  facts: HostFacts,
  directories: Directories = new Map(),
): PackagesWanted {
  const named = from.packages.map(one => (typeof one === "string" ? { name: one } : given(one)))
  const forXen = from.xen
    ? xenPackages(facts).filter(({ name }) => !named.some(one => one.name === name))
    : []
  return {
    id,
    packages: [...forXen, ...named] as PackageWanted[],
    repositories: from.repositories.map(one => wantedRepository(one, directories)),
    files: from.files,
  }
}

export type RepositoryInput = Inputs["repositories"][number]

/** Directories of packages that were read, by the name of their repository. */
export type Directories = ReadonlyMap<string, PackageDirectory>

function wantedRepository(
  { directory, contents = {}, ...rest }: RepositoryInput,
  directories: Directories,
): RepositoryWanted {
  const described =
    directory === undefined ? {} : { directory: directories.get(rest.name) ?? { path: directory, contents } }
  return { ...(given(rest) as RepositoryWanted), ...described }
}

/** Names whose versions the facts must hold beside Xen's. */
export function namesOf({ packages, files }: Inputs): string[] {
  const named = packages.map(one => (typeof one === "string" ? one : one.name))
  return [...XEN_COMPANIONS, ...HOLD_PACKAGES, ...named, ...files.map(({ name }) => name)]
}
