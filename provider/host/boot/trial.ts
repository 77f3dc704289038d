import type { Command } from "../../ssh/command.ts"
import type { GuardHooks } from "../step.ts"
import type { Grub } from "./grub.ts"

/** What GRUB booted before a trial, as grubenv has it. */
export interface Former {
  readonly saved_entry?: string | undefined
  readonly fallback?: string | undefined
}

/** What a boot on trial has in common, whatever is booted. `window` is in seconds, default 300. */
export function trialGuard(grub: Grub, { saved_entry, fallback }: Former, window = 300) {
  // Whoever has taken a trial back must not boot what failed once more, because the power was cut just then.
  const back = [grub.setAtOnce({ saved_entry, fallback, next_entry: undefined })]
  return { name: "dom0", window, grace: 600, before: [], after: back, afterBoot: back } satisfies GuardHooks
}

/** The same way back, as a person would type it. */
export function trialUndo(grub: Grub, { saved_entry, fallback }: Former): Command[] {
  const former = saved_entry === undefined ? [] : [grub.setDefault(saved_entry)]
  return [...former, grub.fallBackTo(fallback), grub.forgetNext]
}
