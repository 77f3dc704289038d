import type { HostFacts } from "../host/index.ts"
import { XEN_COMPANIONS, xenPackages } from "../host/packages/available.ts"
import type { PackagesWanted, PackageWanted } from "../host/packages/wanted.ts"
import {
  either,
  type Fields,
  flag,
  type Known,
  list,
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
  url: text("address: https, http, or file for one that lies on the host", {
    pattern: /(https?|file):\/\/\S+/,
    says: "an address that begins with https://, http:// or file://",
  }),
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
  repositories: withDefault(list("repositories to add", repository), []),
  files: withDefault(list("packages to send and install, such as a release RPM", file), []),
} as const satisfies Fields

export type Inputs = Known<typeof inputs>

/** The same in the words of the host's plans; which packages Xen is, its distribution says. */
export function wantedOf(id: string, from: Inputs, facts: HostFacts): PackagesWanted {
  const named = from.packages.map(one => (typeof one === "string" ? { name: one } : given(one)))
  const forXen = from.xen
    ? xenPackages(facts).filter(({ name }) => !named.some(one => one.name === name))
    : []
  return {
    id,
    packages: [...forXen, ...named] as PackageWanted[],
    repositories: from.repositories.map(given),
    files: from.files,
  }
}

/** Names whose versions the facts must hold beside Xen's. */
export function namesOf({ packages, files }: Inputs): string[] {
  const named = packages.map(one => (typeof one === "string" ? one : one.name))
  return [...XEN_COMPANIONS, ...named, ...files.map(({ name }) => name)]
}
