import type { HostFacts } from "../facts/types.ts"
import { rebootReasons } from "./dom0.ts"
import type { Dom0Wanted } from "./wanted.ts"

/**
 * What is missing for the proof that this machine was restarted into Xen as wanted, read over a fresh
 * connection; `[]` is the proof.
 */
export function missingProof(facts: HostFacts, wanted: Dom0Wanted, formerBootId?: string): string[] {
  return [
    ...(formerBootId !== undefined && facts.boot.bootId === formerBootId
      ? ["the machine has not restarted"]
      : []),
    ...rebootReasons(facts, wanted),
    ...(facts.xen && !facts.xen.controlDomain ? ["this is a guest of Xen and not its control domain"] : []),
    ...(facts.xen && facts.xen.virtCaps.length === 0 ? ["Xen's toolstack does not answer"] : []),
    ...(wanted.hvm && facts.xen && !facts.xen.virtCaps.includes("hvm")
      ? ["Xen cannot run the PVH and HVM guests that are wanted: the firmware may have VT-x or AMD-V off"]
      : []),
    ...(facts.boot.grub?.environment.next_entry
      ? [`GRUB still has the one-shot entry ${facts.boot.grub.environment.next_entry}`]
      : []),
  ]
}
