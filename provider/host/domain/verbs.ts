import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { Secret } from "../../secret.ts"
import type { Connection } from "../../ssh/index.ts"
import { quoteCommand } from "../../ssh/quote.ts"
import { releaseDisk } from "../disk/images.ts"
import { releaseKernel } from "../kernels.ts"
import type { StoredGeneration } from "./facts.ts"
import { domainDirectory } from "./names.ts"
import type { DomainWanted } from "./wanted.ts"

const SCRIPT = readFileSync(new URL("domain.sh", import.meta.url), "utf8")

export interface VerbOptions {
  readonly signal?: AbortSignal
  readonly timeout?: number
  /** What the verb reads. It may hold secrets: it travels on standard input, as the script does. */
  readonly text?: string
}

/** Runs one verb of domain.sh. */
export function runVerb(
  host: Connection,
  name: string,
  words: readonly string[],
  { signal, timeout = 420_000, text = "" }: VerbOptions = {},
) {
  // No text can hold the mark that ends it.
  const mark = `END-${randomBytes(12).toString("hex")}`
  const stdin = new Secret(`${SCRIPT}{ perform "$@"; exit; } <<'${mark}'\n${text}${mark}\n`)
  return host.run(["sh", "-s", "--", domainDirectory(name), ...words], {
    stdin,
    timeout,
    ...(signal && { signal }),
  })
}

/** The same as shell text, for what the host runs by itself. It has nothing to read. */
export function verbText(name: string, words: readonly string[]): string {
  return quoteCommand(["sh", "-c", `${SCRIPT}perform "$@" </dev/null`, "sh", domainDirectory(name), ...words])
}

/** Graceful shutdown with a limit, then destroyed. */
export async function stopDomain(
  host: Connection,
  { name, shutdownTimeout }: Pick<DomainWanted, "name" | "shutdownTimeout">,
  uuid: string,
  signal: AbortSignal,
): Promise<void> {
  await runVerb(host, name, ["stop", uuid, String(shutdownTimeout)], {
    signal,
    timeout: (shutdownTimeout + 420) * 1000,
  })
}

/** Kernels and disk images that were theirs leave the host where nobody else uses them. */
export async function releaseContents(
  host: Connection,
  generations: readonly StoredGeneration[],
  urn: string,
  signal: AbortSignal,
): Promise<void> {
  const named = (folder: string) =>
    new Set(
      generations.flatMap(({ text }) =>
        [...text.matchAll(new RegExp(`/${folder}/([0-9a-f]{64})\\b`, "g"))].map(match => match[1]!),
      ),
    )
  for (const digest of named("kernels")) await host.run(releaseKernel(digest, urn), { signal })
  for (const digest of named("disks")) await host.run(releaseDisk(digest, urn), { signal })
}
