import type { Command } from "../../ssh/command.ts"
import type { HostFacts } from "../facts/types.ts"
import type { Originals } from "../originals.ts"
import type { BridgeConfig } from "./wanted.ts"

/**
 * How one network manager is told about a bridge. All pure: the files as they must be, and the commands before
 * (`prepare`) and after (`change`) they are there; and the way back: `withdraw` while the bridge's files are
 * still in place, `restore` when the old ones are back.
 */
export interface Backend {
  /** `originals`: the files as they were before the bridge was first made. */
  files(facts: HostFacts, config: BridgeConfig, originals: Originals): Record<string, string>
  /** What a removal puts back. Default: `originals`. */
  back?(facts: HostFacts, config: BridgeConfig, originals: Originals): Originals
  prepare(facts: HostFacts, config: BridgeConfig): readonly Command[]
  change(facts: HostFacts, config: BridgeConfig): readonly Command[]
  withdraw(facts: HostFacts, config: BridgeConfig): readonly Command[]
  restore(facts: HostFacts, config: BridgeConfig): readonly Command[]
}

/** A command that may fail: what follows it is done all the same. */
export function attempt(...command: string[]): Command {
  return ["sh", "-c", '"$@" || true', "sh", ...command]
}
