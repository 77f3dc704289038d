/** Why something is refused: one stable word a program can branch on. */
export type RefusalCode =
  | "address-in-use"
  | "address-missing"
  | "address-unasked"
  | "boot-full"
  | "boot-loader"
  | "bridge-missing"
  | "cpu"
  | "disk-missing"
  | "disk-size"
  | "disk-space"
  | "domain-taken"
  | "foreign-file"
  | "grubenv"
  | "guard-armed"
  | "init"
  | "input"
  | "kernel-altered"
  | "kernel-kind"
  | "kernel-missing"
  | "key"
  | "key-unread"
  | "memory"
  | "network-manager"
  | "no-xen"
  | "no-xen-entry"
  | "no-xen-package"
  | "os"
  | "package-missing"
  | "port-taken"
  | "reboot"
  | "root"
  | "store-edited"
  | "swap"
  | "unsigned"
  | "uplink"
  | "volume-group"

/**
 * Something that is refused before anything is changed: what was wanted and what was seen (`problem`), and
 * what to do next (`remedy`), each a sentence.
 */
export interface Refusal {
  readonly code: RefusalCode
  readonly problem: string
  readonly remedy: string
}

/** Thrown when a host cannot be given what is wanted. Nothing has been changed. */
export class RefusedError extends Error {
  override readonly name = "RefusedError"
  readonly host: string
  readonly refusals: readonly Refusal[]

  constructor(host: string, refusals: readonly Refusal[]) {
    super(refusals.map(({ problem, remedy }) => `${host}: ${problem} ${remedy}`).join("\n"))
    this.host = host
    this.refusals = refusals
  }
}

export function refusal(code: RefusalCode, problem: string, remedy: string): Refusal {
  return { code, problem, remedy }
}

/** Throws all refusals at once, so that they are mended in one go. */
export function refuse(host: string, refusals: readonly Refusal[]): void {
  if (refusals.length > 0) throw new RefusedError(host, refusals)
}
