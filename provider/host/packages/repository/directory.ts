import { readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { readDeb } from "./deb.ts"
import { type DebEntry, debIndex } from "./debIndex.ts"
import { PackageFormatError, sha256Of, withParts } from "./packageFile.ts"
import { readRpm } from "./rpm.ts"
import { type RpmEntry, rpmIndex } from "./rpmIndex.ts"

export type PackageKind = "deb" | "rpm"

/** A directory of packages on this machine, to be a repository on a host. */
export interface PackageDirectory {
  /** On this machine. */
  readonly path: string
  /** SHA-256 of each package by its file name, in hex: what is trusted, wherever the file has been meanwhile. */
  readonly contents: Readonly<Record<string, string>>
  /** What was read of them; absent where a plan is only looked at, which needs the digests alone. */
  readonly opened?: Readonly<Record<PackageKind, OpenedPackages>>
}

/** The packages of one kind in a directory. */
export interface OpenedPackages {
  /** The files of the index that package tools read, by path. */
  readonly index: Readonly<Record<string, string>>
  /** Names of the packages. */
  readonly names: readonly string[]
  /** Versions by name, as the package tool writes them, of the packages that are there in one version. */
  readonly versions: Readonly<Record<string, string>>
}

/** A directory of packages cannot be used. The message is a sentence. */
export class PackageDirectoryError extends Error {
  override readonly name = "PackageDirectoryError"
}

/** What file names in an index and in a URL need no quoting for. */
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9+._~-]*\.(deb|rpm)$/

/** The packages of a directory, with their digests, by name. Other files in it are nobody's business. */
export async function readContents(directory: string): Promise<Record<string, string>> {
  const names = (await list(directory)).filter(name => /\.(deb|rpm)$/.test(name)).sort()
  if (names.length === 0)
    throw new PackageDirectoryError(
      `the directory ${directory} holds no package; put files that end with .deb or .rpm there`,
    )
  const odd = names.find(name => !FILE_NAME.test(name))
  if (odd !== undefined)
    throw new PackageDirectoryError(
      `the directory ${directory} holds ${JSON.stringify(odd)}, whose name package tools would not agree on; ` +
        "rename it: letters, digits and + . _ ~ -",
    )
  const contents: Record<string, string> = {}
  for (const name of names) contents[name] = await sha256Of(join(directory, name))
  return contents
}

async function list(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const seen = code === "ENOENT" ? "there is none" : code === "ENOTDIR" ? "it is a file" : code
    throw new PackageDirectoryError(
      `the directory of packages ${directory} cannot be read: ${seen}; check the path`,
    )
  }
}

/** The directory, read. Ends with a sentence when a package is not what was digested before, or is none. */
export async function openDirectory(
  path: string,
  contents: Readonly<Record<string, string>>,
): Promise<PackageDirectory> {
  const debs: DebEntry[] = []
  const rpms: RpmEntry[] = []
  const files = Object.entries(contents).sort(([one], [other]) => (one < other ? -1 : 1))
  for (const [file, sha256] of files) {
    const at = join(path, file)
    if ((await sha256Of(at).catch(() => undefined)) !== sha256)
      throw new PackageDirectoryError(
        `${at} is not what it was when the program was checked; run again when nobody writes into the directory`,
      )
    const { size } = await stat(at)
    try {
      if (file.endsWith(".deb")) debs.push({ control: await withParts(at, readDeb), file, size, sha256 })
      else rpms.push({ rpm: await withParts(at, readRpm), file, size, sha256 })
    } catch (error) {
      if (!(error instanceof PackageFormatError)) throw error
      throw new PackageDirectoryError(`${at} cannot be used: ${error.message}; build or download it anew`)
    }
  }
  const deb = { index: debIndex(debs), ...namesAndVersions(debs.map(debVersion)) }
  const rpm = { index: rpmIndex(rpms), ...namesAndVersions(rpms.map(rpmVersion)) }
  return { path, contents, opened: { deb, rpm } }
}

type NamedVersion = readonly [name: string, version: string]

function debVersion({ control }: DebEntry): NamedVersion {
  const field = (name: string) => new RegExp(`^${name}: *(.*)$`, "m").exec(control)?.[1]?.trim() ?? ""
  return [field("Package"), field("Version")]
}

function rpmVersion({ rpm: { name, epoch, version, release } }: RpmEntry): NamedVersion {
  return [name, `${epoch > 0 ? `${epoch}:` : ""}${version}-${release}`]
}

function namesAndVersions(found: readonly NamedVersion[]) {
  return { names: [...new Set(found.map(([name]) => name))].sort(), versions: inOneVersion(found) }
}

/** Which of several versions is the newest is for the package tool to say. */
function inOneVersion(found: readonly NamedVersion[]): Record<string, string> {
  const only = found.filter(([name, version]) => found.every(([n, v]) => n !== name || v === version))
  return Object.fromEntries(only)
}
