import type { HostFacts } from "../facts/types.ts"
import { setFiles } from "../originals.ts"
import { removeRecord } from "../records.ts"
import { type Plan, run, type Step, step } from "../step.ts"
import { type Grub, grubOf, isPlain, plainEntry } from "./grub.ts"
import { DOM0_RECORD, dom0Record } from "./record.ts"
import { trialGuard, trialUndo } from "./trial.ts"

/**
 * Back to plain Linux: a restart out of Xen, and then the files and GRUB's default as they were. A Xen that was there before
 * stays, and has its old options from the next restart on.
 */
export function planDom0Removal(facts: HostFacts, window?: number): Plan {
  const record = dom0Record(facts)
  const grub = facts.boot.grub && grubOf(facts.boot.grub)
  if (!record || !grub) return []
  const saved = isPlain(grub.facts, record.savedEntry)
    ? record.savedEntry
    : (plainEntry(facts)?.id ?? record.savedEntry)
  return [
    ...(facts.xen && !record.adopted ? [leaveStep(grub, saved, window)] : []),
    // Debian's Xen would make itself the default again; it stays held until its packages are gone too.
    step("Give GRUB and Xen's services their old configuration back", [
      run(grub.setDefault(saved)),
      run(grub.fallBackTo(undefined)),
      ...setFiles(record.originals),
      grub.regenerate,
      removeRecord(DOM0_RECORD),
    ]),
  ]
}

/**
 * GRUB boots plain Linux once, as it booted Xen once: who knows what has become of it meanwhile. Xen is the default until
 * somebody has come in, and what is booted when the kernel cannot be loaded.
 */
function leaveStep(grub: Grub, plain: string, window?: number): Step {
  const former = grub.facts.environment
  return {
    title: "Restart into plain Linux",
    note: "Xen stays the default until plain Linux has answered.",
    risk: "boot",
    actions: [run(grub.fallBackToXen), run(grub.bootOnce(plain))],
    undo: trialUndo(grub, former).map(command => run(command)),
    guard: {
      ...trialGuard(grub, former, window),
      keep: [
        run(grub.setAtOnce({ saved_entry: plain }), { byHand: grub.setDefault(plain) }),
        run(grub.setAtOnce({ fallback: undefined }), { byHand: grub.fallBackTo(undefined) }),
      ],
      trial: ["sh", "-c", '[ "$(cat /sys/hypervisor/type 2>/dev/null)" != xen ]'],
      restart: "after-trial",
    },
  }
}
