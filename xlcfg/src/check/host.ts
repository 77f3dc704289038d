import { addressesOf } from "../devices/vif.ts"
import type { ProblemCode } from "../problem.ts"
import type { Document } from "../syntax/document.ts"
import type { Finding } from "./finding.ts"
import { Reading } from "./reading.ts"

/** One domain's configuration, and the name of its file. */
export interface HostFile {
  readonly file: string
  readonly document: Document
}

export interface HostOptions {
  /** Memory in MiB that the host has for all its domains together. */
  readonly memory?: number
}

/** A finding in one of several files. */
export interface HostFinding extends Finding {
  readonly file: string
}

/** Something that only one domain of a host can have, and where it was seen first. */
interface Claim {
  readonly file: string
  readonly line: number
  readonly writable: boolean
}

/**
 * Checks the configurations of one host against each other: names, UUIDs, MAC and IP addresses that occur
 * twice, disks that one domain writes while another uses them, and the memory of all of them together.
 */
export function checkHost(files: readonly HostFile[], options: HostOptions = {}): HostFinding[] {
  const findings: HostFinding[] = []
  const claims = new Map<string, Claim>()
  let memory = 0

  for (const { file, document } of files) {
    const reading = new Reading(document)
    reading.findings.length = 0
    const claim = (code: ProblemCode, key: string, thing: string, path: number[] = [], writable = true) => {
      const id = `${code} ${thing}`
      const first = claims.get(id)
      const setting = document.settings.get(key)
      const node = setting?.items[path[0] ?? -1] ?? setting?.assignment.value
      const line = document.position(node?.start ?? 0).line
      if (first === undefined) claims.set(id, { file, line, writable })
      else if (first.file !== file && (writable || first.writable))
        reading.report(key, {
          code,
          path,
          message: `${thing} is used at ${first.file}:${first.line} already`,
        })
    }
    claimAll(reading, claim)
    memory += reading.get("maxmem") ?? reading.get("memory") ?? 0
    findings.push(...reading.findings.map(finding => ({ ...finding, file })))
  }

  if (options.memory !== undefined && memory > options.memory) {
    const { file, document } = files.at(-1)!
    const reading = new Reading(document)
    reading.findings.length = 0
    reading.report("memory", {
      code: "host-memory",
      message: `the ${files.length} domains want ${memory} MiB together, and the host has ${options.memory} MiB`,
      remedy: `take ${memory - options.memory} MiB away`,
    })
    findings.push(...reading.findings.map(finding => ({ ...finding, file })))
  }
  return findings
}

function claimAll(
  reading: Reading,
  claim: (code: ProblemCode, key: string, thing: string, path?: number[], writable?: boolean) => void,
): void {
  const name = reading.get("name")
  if (name) claim("duplicate-name", "name", `the name ${name}`)
  const uuid = reading.get("uuid")
  if (uuid) claim("duplicate-name", "uuid", `the UUID ${uuid.toLowerCase()}`)
  for (const [index, vif] of reading.vifs) {
    if (vif.mac) claim("duplicate-mac", "vif", vif.mac, [index])
    for (const address of addressesOf(vif)) claim("duplicate-ip", "vif", address.toLowerCase(), [index])
  }
  for (const [index, disk] of reading.disks)
    if (disk.target) claim("shared-disk", "disk", disk.target, [index], disk.access !== "ro")
}
