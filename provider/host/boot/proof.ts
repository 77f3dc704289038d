import type { Command } from "../../ssh/command.ts"
import type { HostFacts } from "../facts/types.ts"
import { rebootReasons } from "./dom0.ts"
import type { Grub } from "./grub.ts"
import { type Dom0Wanted, linuxOptions, xenOptions } from "./wanted.ts"

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
    ...(facts.boot.grub?.environment.next_entry
      ? [`GRUB still has the one-shot entry ${facts.boot.grub.environment.next_entry}`]
      : []),
  ]
}

/** The same for a person: commands, each of which succeeds where its part of the proof is there. */
export function proofCommands(facts: HostFacts, wanted: Dom0Wanted, grub: Grub): Command[] {
  return [
    ["grep", "control_d", "/proc/xen/capabilities"],
    ["xl", "info"],
    holds("Xen", 'xl info | sed -n "s/^xen_commandline *: *//p"', xenOptions(wanted)),
    holds("dom0's kernel", "cat /proc/cmdline", linuxOptions(facts, wanted)),
    grub.nothingNext,
  ]
}

/** Says what is missing on a command line. */
function holds(what: string, read: string, words: readonly string[]): Command {
  const script = `running=" $(${read}) "; for word; do case $running in *" $word "*) ;; *) echo "$0 runs without $word"; exit 1 ;; esac; done`
  return ["sh", "-c", script, what, ...words]
}
