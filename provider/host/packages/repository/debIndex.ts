import { createHash } from "node:crypto"

/** A Debian package of the repository: its control paragraph, and its file. */
export interface DebEntry {
  readonly control: string
  readonly file: string
  readonly size: number
  readonly sha256: string
}

/**
 * The index of a flat repository for apt, by file name: `Packages` holds the digest of every package, `Release` that
 * of `Packages` (Debian wiki, DebianRepository/Format). The same packages give the same bytes.
 */
export function debIndex(entries: readonly DebEntry[]): Record<string, string> {
  const packages = entries
    .map(
      ({ control, file, size, sha256 }) =>
        `${control}\nFilename: ./${file}\nSize: ${size}\nSHA256: ${sha256}\n`,
    )
    .join("\n")
  const digest = createHash("sha256").update(packages).digest("hex")
  const release = [
    "Origin: pulumi-xen",
    "Date: Thu, 01 Jan 1970 00:00:00 UTC",
    "SHA256:",
    ` ${digest} ${Buffer.byteLength(packages)} Packages`,
  ]
  return { Packages: packages, Release: `${release.join("\n")}\n` }
}
