import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import type { Connection } from "../../ssh/index.ts"
import { parseFacts } from "./parse.ts"
import type { HostFacts } from "./types.ts"

const SCRIPT = readFileSync(new URL("probe.sh", import.meta.url), "utf8")

export interface ProbeOptions {
  /**
   * `quick` (default) is what plans need at every run. `full` adds what takes the host seconds: what the
   * repositories offer, and LVM.
   */
  readonly depth?: "quick" | "full"
  /** Packages whose versions are asked for, beside Xen's own. */
  readonly packages?: readonly string[]
  readonly signal?: AbortSignal
}

/** Asks a host for all its facts in one round trip. Nothing on the host is changed. */
export async function readFacts(connection: Connection, options: ProbeOptions = {}): Promise<HostFacts> {
  const { depth = "quick", packages = [], signal } = options
  const mark = `== ${randomBytes(12).toString("hex")}`
  const { stdout } = await connection.run(["sh", "-s", "--", mark, depth, ...packages], {
    stdin: SCRIPT,
    timeout: depth === "full" ? 300_000 : 120_000,
    ...(signal === undefined ? {} : { signal }),
  })
  return parseFacts(connection.name, mark, stdout)
}
