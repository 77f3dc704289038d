import { type Finding, findingAt } from "./check/finding.ts"
import { Reading } from "./check/reading.ts"
import { parseDisk } from "./devices/disk.ts"
import { vdevNumber } from "./devices/vdev.ts"
import { ValueError, XlcfgError } from "./errors.ts"
import { parseSkeleton } from "./skeleton/slots.ts"
import type { Document } from "./syntax/document.ts"

/** A device that a kernel was built to use. */
export interface ExpectedDevice {
  readonly kind: "block" | "network"
  /** The kernel's own name for it. */
  readonly name: string
  /** The virtual device under which the kernel looks for it, where its skeleton says so. */
  readonly vdev?: string
}

/** The devices that a MirageOS skeleton has a place for: its `@BLOCK:…@` and `@NETWORK:…@`. */
export function devicesOfSkeleton(text: string): ExpectedDevice[] {
  const devices = new Map<string, ExpectedDevice>()
  for (const { name: variable, string } of parseSkeleton(text).slots) {
    const [prefix, name] = variable.split(/:(.*)/s, 2)
    if (!name || (prefix !== "BLOCK" && prefix !== "NETWORK")) continue
    const vdev = prefix === "BLOCK" && string ? vdevOf(string.value) : undefined
    devices.set(variable, { kind: prefix === "BLOCK" ? "block" : "network", name, ...(vdev && { vdev }) })
  }
  return [...devices.values()]
}

function vdevOf(spec: string): string | undefined {
  try {
    return parseDisk(spec).vdev
  } catch (error) {
    if (error instanceof XlcfgError) return undefined
    throw error
  }
}

/**
 * The devices of a Solo5 application manifest (`solo5-elftool query-manifest`, or the manifest.json of a
 * build). Throws {@link ValueError} for what is none.
 */
export function devicesOfManifest(manifest: unknown): ExpectedDevice[] {
  const { type, devices } = (typeof manifest === "object" && manifest !== null ? manifest : {}) as {
    type?: unknown
    devices?: unknown
  }
  if (type !== "solo5.manifest" || !Array.isArray(devices))
    throw new ValueError("manifest", 'it is no object with type "solo5.manifest" and devices')
  return devices.map(device => {
    const kind =
      device?.type === "BLOCK_BASIC" ? "block" : device?.type === "NET_BASIC" ? "network" : undefined
    if (kind === undefined || typeof device.name !== "string")
      throw new ValueError("manifest", `${JSON.stringify(device)} is no device that is known`)
    return { kind, name: device.name }
  })
}

/**
 * Compares the devices that a kernel expects with those that a configuration gives it: a finding for each one
 * that is missing. A device with a vdev needs that very disk; the others are counted.
 */
export function deviceAgreement(expected: readonly ExpectedDevice[], document: Document): Finding[] {
  const reading = new Reading(document)
  const free = reading.disks.map(([, disk]) => disk.vdev)
  const missing: ExpectedDevice[] = []
  const blocks = expected.filter(device => device.kind === "block")
  for (const device of [...blocks].sort(
    (a, b) => Number(b.vdev !== undefined) - Number(a.vdev !== undefined),
  )) {
    const match =
      device.vdev === undefined ? 0 : free.findIndex(vdev => vdevNumber(vdev) === vdevNumber(device.vdev!))
    if (match < 0 || free.length === 0) missing.push(device)
    else free.splice(match, 1)
  }
  missing.push(...expected.filter(device => device.kind === "network").slice(reading.vifs.length))
  return missing.map(device => {
    const key = device.kind === "block" ? "disk" : "vif"
    const span = document.settings.get(key)?.assignment ?? { start: 0, end: 0 }
    const given =
      device.kind === "block"
        ? reading.disks.map(([, disk]) => disk.vdev).join(", ")
        : String(reading.vifs.length || "")
    const message = `the kernel expects the ${device.kind} device ${device.name}${device.vdev ? ` as ${device.vdev}` : ""}; the configuration has ${given || "none"}`
    return findingAt(document, span, { code: "missing-device", message, remedy: `add it to ${key}` }, key)
  })
}
