import type { HostFacts, NetworkManagerName } from "../facts/types.ts"
import type { Originals } from "../originals.ts"
import { readRecord } from "../records.ts"
import type { BridgeConfig } from "./wanted.ts"

/** What was done, kept on the host: how the bridge was made, and the files as they were before. */
export interface BridgeRecord {
  readonly manager: NetworkManagerName
  readonly config: BridgeConfig
  readonly originals: Originals
}

/** The record's name below the records' directory. */
export const recordName = (name: string) => `networks/${name}`

export function bridgeRecord(facts: HostFacts, name: string): BridgeRecord | undefined {
  return readRecord<BridgeRecord>(facts.files, recordName(name))
}
