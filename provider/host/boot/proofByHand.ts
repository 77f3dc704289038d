import type { Command } from "../../ssh/command.ts"
import type { HostFacts } from "../facts/types.ts"
import type { Grub } from "./grub.ts"
import { type Dom0Wanted, linuxOptions, xenOptions } from "./wanted.ts"

/** The proof that `missingProof` reads off the facts, for a person: commands, each of which succeeds where its part of the proof is there. */
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
