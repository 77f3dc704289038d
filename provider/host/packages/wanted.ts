import type { PackageDirectory } from "./repository/directory.ts"

/** A package by name; without a version the newest that the repositories offer when it is installed. */
export interface PackageWanted {
  readonly name: string
  /** As the package tool writes it: "4.17.7-1", "1:2.3-4.el9". */
  readonly version?: string
  /** Upgrades leave it alone. Default false. */
  readonly hold?: boolean
}

/** A repository's key: the text itself, and the fingerprint that was read elsewhere. */
export interface RepositoryKey {
  /** ASCII-armoured OpenPGP public key. */
  readonly armoured: string
  /** 40 hex digits, blanks allowed: what the key must have. */
  readonly fingerprint: string
}

export interface RepositoryWanted {
  /** Lower-case letters, digits, hyphens. Its files are named `pulumi-xen-NAME`. */
  readonly name: string
  /** "https://…", "http://…", or "file:///…" for one that lies on the host. Either this or `directory`. */
  readonly url?: string
  /** Packages of this machine: they are sent to the host, and what they are trusted by is their SHA-256 here. */
  readonly directory?: PackageDirectory
  /** apt: suites (default "./": a flat repository) and components. */
  readonly suites?: readonly string[]
  readonly components?: readonly string[]
  readonly key?: RepositoryKey
  /** Packages are taken unsigned. Said for this repository alone, and shown wherever it is planned. */
  readonly allowUnsigned?: boolean
}

/** A package that lies here and is sent to the host: a release RPM, a deb of one's own. */
export interface PackageFile {
  /** Name of the package in it: how it is known once it is installed. */
  readonly name: string
  /** Path on this machine. */
  readonly source: string
  /** Of the file, in hex: what arrives is what was meant. */
  readonly sha256: string
}

export interface PackagesWanted {
  /** Tells the sets of one host apart: letters, digits, hyphens. */
  readonly id: string
  readonly packages?: readonly PackageWanted[]
  readonly repositories?: readonly RepositoryWanted[]
  readonly files?: readonly PackageFile[]
}

/** Names of packages as Debian policy 5.6.1 and RPM allow them; never an option, never a glob. */
export function isPackageName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9+._-]*$/.test(name)
}

export function isPackageVersion(version: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9.+:~^_-]*$/.test(version)
}
