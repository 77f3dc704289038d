/** The Xen releases whose xl this library knows, oldest first. */
export const xenVersions = ["4.17", "4.18", "4.19", "4.20"] as const

export type XenVersion = (typeof xenVersions)[number]

/** Whether `version` came before `other`. */
export function isBefore(version: XenVersion, other: XenVersion): boolean {
  return xenVersions.indexOf(version) < xenVersions.indexOf(other)
}

/** Whether a text names one of {@link xenVersions}. */
export function isXenVersion(text: string): text is XenVersion {
  return (xenVersions as readonly string[]).includes(text)
}
