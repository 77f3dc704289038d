import type { XenVersion } from "./version.ts"

/** How bad a finding is: xl fails or drops something; it may not do what is meant; good to know. */
export type Severity = "error" | "warning" | "note"

/** What can be found in a configuration: code, severity, meaning. Codes are stable. */
export const problemCodes = {
  syntax: ["error", "The text is no xl configuration: xl refuses the file."],
  "unknown-key": ["error", "xl knows no such key and skips it without a word."],
  "too-new": ["error", "The target's xl does not know this yet: it skips the key or refuses the value."],
  "wrong-type": ["error", "A text where a list is wanted, or the other way round: xl drops the value."],
  "bad-value": ["error", "xl refuses the value or reads something else from it."],
  "out-of-range": ["error", "A number outside what xl or Xen accept."],
  "missing-key": ["error", "A key without which xl cannot create the domain."],
  "old-builder": ["error", "A form of builder= that today's xl refuses."],
  contradiction: ["error", "Two settings that cannot both hold."],
  "bad-disk": ["error", "xl refuses the disk specification, and with it the domain."],
  "missing-vdev": ["error", "A disk without the name that the guest shall see."],
  "duplicate-vdev": ["error", "Two disks of one domain under the same name."],
  "vif-option": ["error", "xl skips this part of a vif; without it the vif may join the wrong bridge."],
  "bad-mac": ["error", "Not the address of one network interface."],
  "duplicate-mac": ["error", "Two interfaces with the same MAC address."],
  "duplicate-ip": ["error", "Two interfaces with the same IP address."],
  "duplicate-name": ["error", "Two domains of one host with the same name or UUID."],
  "shared-disk": ["error", "A disk that two domains can write, or one writes while another reads."],
  "missing-file": ["error", "A file that the configuration names is not there."],
  "host-memory": ["error", "The domains together want more memory than their host has."],
  "missing-device": ["error", "The kernel expects a device that the configuration does not give it."],
  ignored: ["warning", "xl accepts this and does nothing with it."],
  deprecated: ["warning", "An old form that xl still reads."],
  "memory-default": ["warning", "No memory given: libxl would start the guest with 32 MiB."],
  overridden: ["warning", "A later assignment of the same key wins."],
  "lost-octal": ["warning", "xl accepts octal escapes and drops them from the string."],
  "stray-character": ["warning", "A character at the end of the file that xl overlooks."],
  "default-bridge": ["note", "The vif names no bridge: it joins the host's default one."],
} as const satisfies Record<string, readonly [Severity, string]>

export type ProblemCode = keyof typeof problemCodes

/** Something wrong with a value, before it is known where in a file it stands. */
export interface Problem {
  readonly code: ProblemCode
  /** A sentence without its full stop: what was seen and what xl makes of it. */
  readonly message: string
  /** What to do about it. */
  readonly remedy?: string
  /** Indexes into nested lists, outermost first, where the problem lies within the value. */
  readonly path?: readonly number[]
  /** For `too-new`: the first release that knows it. Nothing is wrong where the target is that or later. */
  readonly since?: XenVersion
}

export type Report = (problem: Problem) => void

/** The severity of a code. */
export function severityOf(code: ProblemCode): Severity {
  return problemCodes[code][0]
}
