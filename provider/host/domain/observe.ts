import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { configOf, type DomainConfig, parse, XlcfgError } from "xlcfg"
import type { Connection } from "../../ssh/index.ts"
import { parseNetwork } from "../facts/network.ts"
import { lines, parseFields, parseSections, type Sections } from "../facts/sections.ts"
import { macsOf } from "./devices.ts"
import type {
  DomainFacts,
  DomainStore,
  HistoryEntry,
  OwnDomain,
  StoredGeneration,
  XenCapacity,
} from "./facts.ts"
import { domainDirectory, stagedName } from "./names.ts"
import { parseDetails, parseList } from "./xl.ts"

const SCRIPT = readFileSync(new URL("observe.sh", import.meta.url), "utf8")

export interface Questions {
  /** A UUID that is known to be the domain's: what a program imported has no store yet. */
  readonly uuid?: string | undefined
  /** Paths whose existence matters. */
  readonly files?: readonly string[]
  /** Kernels whose digest matters. */
  readonly kernels?: readonly string[]
  readonly signal?: AbortSignal
}

/** Asks a host for everything about one domain, in one round trip. */
export async function observeDomain(
  host: Connection,
  name: string,
  asked: Questions = {},
): Promise<DomainFacts> {
  const mark = `== ${randomBytes(12).toString("hex")}`
  const questions = [
    ...(asked.kernels ?? []).map(path => `kernel ${path}`),
    ...(asked.files ?? []).map(path => `file ${path}`),
  ]
  const { uuid = "", signal } = asked
  const command = ["sh", "-s", "--", mark, domainDirectory(name), name, uuid, ...questions]
  const { stdout } = await host.run(command, { stdin: SCRIPT, timeout: 360_000, ...(signal && { signal }) })
  return parseDomainFacts(host.name, mark, name, stdout, uuid)
}

/** Turns the output of observe.sh into facts. Pure: the same text gives the same facts. */
export function parseDomainFacts(
  host: string,
  mark: string,
  name: string,
  output: string,
  uuid = "",
): DomainFacts {
  const sections = parseSections(host, mark, output)
  const domains = parseList(sections.get("domains") ?? "")
  const details = parseDetails(sections.get("details") ?? "")
  const store = parseStore(sections)
  const uuids = new Set([uuid, ...[...(store?.generations.values() ?? [])].map(stored => stored.uuid ?? "")])
  const macs = macsOf(store?.generations.get(store.current ?? "")?.config)
  const isOurs = (domain: OwnDomain): boolean =>
    uuids.has(domain.uuid) ||
    (isNameOf(name, domain.name) && macs.length > 0 && sameList(macs, macsOfDetails(domain.details)))
  const own = domains.map(domain => ({ ...domain, details: details.get(domain.id) ?? {} }))
  const named = own.find(domain => domain.name === name)
  const answers = lines(sections.get("answers")).map(
    line => line.split(/ (\S+) (.*)/s) as [string, string, string],
  )
  return {
    xen: parseCapacity(sections),
    domains,
    own: own.filter(isOurs),
    ...(named && { named }),
    ...(store && { store }),
    network: parseNetwork(sections),
    switching: sections.get("switch")?.trim() === "pending",
    files: new Set(answers.flatMap(([, kind, path]) => (kind === "file" ? [path] : []))),
    kernels: new Map(answers.flatMap(([digest, kind, path]) => (kind === "kernel" ? [[path, digest]] : []))),
  }
}

function isNameOf(name: string, running: string): boolean {
  return running === name || running.startsWith(stagedName(name, ""))
}

function macsOfDetails({ nics }: OwnDomain["details"]): string[] {
  return Array.isArray(nics) ? nics.map(nic => String((nic as { mac?: unknown }).mac)) : []
}

const sameList = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((item, index) => item === b[index])

function parseCapacity(sections: Sections): XenCapacity {
  const info = sections.get("info")
  const fields = parseFields(info ?? "", /\s*:\s/)
  const isDom0 = /\bcontrol_d\b/.test(sections.get("capabilities") ?? "")
  const answers = fields.free_memory !== undefined
  const problem = !isDom0
    ? "it does not run Xen, or this is not its control domain"
    : info === undefined
      ? "xl is not installed"
      : lines(info)[0]
  return {
    usable: isDom0 && answers,
    ...(isDom0 && answers ? {} : { problem: problem ?? "xl does not answer" }),
    totalMemory: Number(fields.total_memory ?? 0),
    freeMemory: Number(fields.free_memory ?? 0),
    virtCaps: (fields.virt_caps ?? "").split(/\s+/).filter(word => word !== ""),
  }
}

function parseStore(sections: Sections): DomainStore | undefined {
  if (!sections.has("store")) return undefined
  const file = (name: string) => sections.get(`file ${name}`)?.trim() || undefined
  const link = (name: string) => /([0-9a-f]{12})\.cfg\s*$/.exec(sections.get(`link ${name}`) ?? "")?.[1]
  const digests = new Map(
    lines(sections.get("digests")).map(line => [line.replace(/^\S+ .*\//, ""), line.slice(0, 64)] as const),
  )
  const generations = [...sections].flatMap(([title, text]) => {
    const generation = /^text ([0-9a-f]{12})\.cfg$/.exec(title)?.[1]
    if (generation === undefined) return []
    return [
      [
        generation,
        storedGeneration(sections, generation, digests.get(`${generation}.cfg`) ?? "", text),
      ] as const,
    ]
  })
  const [owner, autostart, current, next] = [file("owner"), file("autostart"), link("current"), link("next")]
  return {
    ...(owner && { owner }),
    ...(autostart && { autostart }),
    ...(current && { current }),
    ...(next && { next }),
    generations: new Map(generations),
    history: lines(sections.get("file history")).map(parseHistory),
  }
}

function storedGeneration(
  sections: Sections,
  generation: string,
  sha256: string,
  text: string,
): StoredGeneration {
  const config = readConfig(text)
  const baseline = [...parseDetails(sections.get(`text ${generation}.json`) ?? "").values()][0]
  return {
    generation,
    text,
    sha256,
    ...(config && { config }),
    ...(config?.uuid && { uuid: config.uuid }),
    ...(baseline && { baseline }),
  }
}

function readConfig(text: string): DomainConfig | undefined {
  try {
    return configOf(parse(text))
  } catch (error) {
    if (error instanceof XlcfgError) return undefined
    throw error
  }
}

function parseHistory(line: string): HistoryEntry {
  const [generation = "", time = "", sha256 = ""] = line.split(" ")
  return { generation, time, sha256 }
}
