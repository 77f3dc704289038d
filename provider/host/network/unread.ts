import type { HostFacts } from "../facts/types.ts"
import { type Refusal, refusal } from "../refusal.ts"
import type { Plan } from "../step.ts"
import { type BridgeRecord, bridgeRecord } from "./record.ts"

/**
 * Lines that may hold keys do not leave the host, so a file that has some cannot be written anew without losing them:
 * neither for the bridge nor on the way back. Files that this program has made are its own to overwrite.
 */
export function refuseUnread(facts: HostFacts, name: string, plan: Plan): Refusal[] {
  const record = bridgeRecord(facts, name)
  const touched = plan
    .flatMap(({ actions }) => actions)
    .flatMap(action => (action.kind === "write" || action.kind === "remove" ? [action.path] : []))
  return unreadOf(facts, record, touched).map(([path, numbers]) =>
    refusal(
      "key-unread",
      `${path} would be written anew for ${name} without its ${lineWords(numbers)}: what may hold a key is not read.`,
      "Move the stanzas with these lines to a file of their own under /etc/network/interfaces.d, which stays as it is; of the uplink's own stanza, move the commands to a script.",
    ),
  )
}

/** For a person who follows the plan by hand: what is missing in the files as they are shown. */
export function unreadWords(
  facts: HostFacts,
  record: BridgeRecord | undefined,
  written: Readonly<Record<string, string>>,
): string[] {
  return unreadOf(facts, record, Object.keys(written)).map(
    ([path, numbers]) => `Keep ${lineWords(numbers)} of ${path}: what may hold a key is not shown here.`,
  )
}

function unreadOf({ network }: HostFacts, record: BridgeRecord | undefined, paths: readonly string[]) {
  return Object.entries(network.unread ?? {}).filter(
    ([path]) => paths.includes(path) && record?.originals[path] !== null,
  )
}

/** "line 7", "lines 7, 9 and 12". */
function lineWords(numbers: readonly number[]): string {
  const last = numbers.at(-1)
  return numbers.length === 1 ? `line ${last}` : `lines ${numbers.slice(0, -1).join(", ")} and ${last}`
}
