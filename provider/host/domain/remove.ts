import type { Connection } from "../../ssh/index.ts"
import { removeAutostart } from "../autostart/autostart.ts"
import { STAGED_VIF_SCRIPT, settled, unstage } from "../swap/index.ts"
import type { ChangeOptions } from "./acts.ts"
import type { DomainFacts } from "./facts.ts"
import { isAlive } from "./standing.ts"
import { releaseContents, runVerb, stopDomain } from "./verbs.ts"
import type { DomainWanted } from "./wanted.ts"

/**
 * Takes a domain away with all its generations and its history. Its folder goes last but for what it used: until then a
 * run that was cut off finds what is left by it.
 */
export async function removeDomain(
  host: Connection,
  facts: DomainFacts,
  wanted: Pick<DomainWanted, "name" | "urn" | "shutdownTimeout">,
  options: Omit<ChangeOptions, "onWarning">,
): Promise<void> {
  const { name, urn } = wanted
  const { signal, onStatus } = options
  await settled(host, name, options)
  for (const domain of facts.own) {
    onStatus(`${name}: stopping ${domain.name}`)
    if (isAlive(domain)) await stopDomain(host, wanted, domain.uuid, signal)
    else await runVerb(host, name, ["destroy", domain.uuid], options)
  }
  await unstage(host, name, options)
  await runVerb(host, name, ["forget", STAGED_VIF_SCRIPT], options)
  await host.run(removeAutostart, { signal })
  await releaseContents(host, [...(facts.store?.generations.values() ?? [])], urn, signal)
}
