import type { Command } from "../../ssh/command.ts"
import type { GuardHooks } from "../step.ts"

/** What a boot on trial has in common, whatever is booted. `window` is in seconds, default 300. */
export function trialGuard(back: readonly Command[], window = 300) {
  return { name: "dom0", window, grace: 600, before: [], after: back, afterBoot: back } satisfies GuardHooks
}
