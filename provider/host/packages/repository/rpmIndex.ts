import { createHash } from "node:crypto"
import type { RpmPackage, RpmRelation } from "./rpm.ts"

/** An RPM of the repository: what it says of itself, and its file. */
export interface RpmEntry {
  readonly rpm: RpmPackage
  readonly file: string
  readonly size: number
  readonly sha256: string
}

/**
 * The index of a repository for dnf, yum and zypper, by file name: `primary` holds the digest of every package,
 * `repomd.xml` that of `primary` (createrepo_c's format). The same packages give the same bytes, so the time in it
 * is none.
 */
export function rpmIndex(entries: readonly RpmEntry[]): Record<string, string> {
  const primary = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="${entries.length}">`,
    ...entries.map(packageElement),
    "</metadata>\n",
  ].join("\n")
  const digest = createHash("sha256").update(primary).digest("hex")
  const location = `repodata/${digest}-primary.xml`
  const repomd = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">',
    `  <revision>${digest.slice(0, 16)}</revision>`,
    '  <data type="primary">',
    `    <checksum type="sha256">${digest}</checksum>`,
    `    <location href="${location}"/>`,
    `    <timestamp>0</timestamp>\n    <size>${Buffer.byteLength(primary)}</size>`,
    "  </data>\n</repomd>\n",
  ].join("\n")
  return { [location]: primary, "repodata/repomd.xml": repomd }
}

function packageElement({ rpm, file, size, sha256 }: RpmEntry): string {
  const { name, epoch, version, release } = rpm
  return `<package type="rpm">
  <name>${xml(name)}</name>
  <arch>${xml(rpm.architecture)}</arch>
  <version epoch="${epoch}" ver="${xml(version)}" rel="${xml(release)}"/>
  <checksum type="sha256" pkgid="YES">${sha256}</checksum>
  <summary>${xml(rpm.summary)}</summary>
  <description></description>
  <packager></packager>
  <url></url>
  <time file="${rpm.buildTime}" build="${rpm.buildTime}"/>
  <size package="${size}" installed="${rpm.installedSize}" archive="0"/>
  <location href="${xml(file)}"/>
  <format>
    <rpm:license>${xml(rpm.license)}</rpm:license>
    <rpm:sourcerpm>${xml(rpm.source)}</rpm:sourcerpm>
    <rpm:header-range start="${rpm.header[0]}" end="${rpm.header[1]}"/>
${relationElement("provides", rpm.provides)}${relationElement("requires", rpm.requires.filter(isNeeded))}${relationElement("conflicts", rpm.conflicts)}${relationElement("obsoletes", rpm.obsoletes)}${rpm.files
  .filter(isPrimaryFile)
  .map(path => `    <file>${xml(path)}</file>\n`)
  .join("")}  </format>
</package>`
}

/** Features of rpm itself are for rpm to judge. */
const isNeeded = ({ name }: RpmRelation): boolean => !name.startsWith("rpmlib(")

/** Files that packages require by their path: createrepo_c's rule of what primary holds. */
const isPrimaryFile = (path: string): boolean =>
  path.startsWith("/etc/") || path.includes("bin/") || path === "/usr/lib/sendmail"

function relationElement(kind: string, relations: readonly RpmRelation[]): string {
  if (relations.length === 0) return ""
  const entries = relations.map(({ name, flags, version, before }) => {
    const pre = kind === "requires" && before ? ' pre="1"' : ""
    return `      <rpm:entry name="${xml(name)}"${flags ? ` flags="${flags}"${versionAttributes(version)}` : ""}${pre}/>\n`
  })
  return `    <rpm:${kind}>\n${[...new Set(entries)].join("")}    </rpm:${kind}>\n`
}

/** "1:2.0-3" as epoch, ver, rel; an epoch that is not said is 0. */
function versionAttributes(text: string): string {
  const [, epoch = "0", version = "", release] = /^(?:(\d+):)?([^-]*)(?:-(.*))?$/.exec(text) ?? []
  return ` epoch="${epoch}" ver="${xml(version)}"${release === undefined ? "" : ` rel="${xml(release)}"`}`
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" }

/** Characters that XML 1.0 cannot hold at all are left out. */
function xml(text: string): string {
  return text.replace(/[\0-\x08\x0b\x0c\x0e-\x1f]/g, "").replace(/[&<>"]/g, sign => ENTITIES[sign]!)
}
