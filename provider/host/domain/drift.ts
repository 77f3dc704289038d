import { bridgeOf, portsOf } from "./devices.ts"
import type { DomainDetails, DomainFacts, OwnDomain, StoredGeneration } from "./facts.ts"
import { setVcpus, type XlChange } from "./live.ts"
import { adopt, isAlive, serving } from "./standing.ts"

/** One way in which a running domain is not as it was started. */
export interface Drift {
  /** For people: what is seen, and what it was. */
  readonly says: string
  /** What mends it as the domain runs; absent: only a new start does. */
  readonly mend?:
    | { readonly xl: XlChange }
    | { readonly place: { readonly vif: string; readonly bridge: string } }
}

/** How a domain that runs a generation differs from what that generation is; `[]` when it is as it should be. */
export function driftOf(
  name: string,
  domain: OwnDomain,
  { config, uuid, baseline }: StoredGeneration,
  facts: DomainFacts,
): Drift[] {
  return [
    ...(uuid !== undefined && uuid !== domain.uuid
      ? [{ says: `${domain.name} was started anew by hand, as ${domain.uuid}` }]
      : []),
    ...(domain.name === name
      ? []
      : [{ says: `it is named ${domain.name}`, mend: { xl: ["rename", name] as const } }]),
    ...(domain.activity === "paused" ? [{ says: "it is paused", mend: { xl: ["unpause"] as const } }] : []),
    ...portsOf(config, domain)
      .filter(({ vif, bridge }) => bridgeOf(facts, vif) !== bridge)
      .map(({ vif, bridge }) => ({
        says: `its port ${vif} is ${onBridge(bridgeOf(facts, vif))} instead of ${bridge}`,
        mend: { place: { vif, bridge } },
      })),
    ...(baseline === undefined ? [] : differences(baseline, domain.details).flatMap(toDrift)),
  ]
}

const onBridge = (bridge: string | undefined): string =>
  bridge === undefined ? "on no bridge" : `on ${bridge}`

interface Difference {
  readonly path: string
  readonly was: unknown
  readonly is: unknown
}

/**
 * What has its own rule (the name), what libxl keeps from the start (the bridge that an interface was staged on), and what
 * it fills in by itself.
 */
const fluid = /^(c_info\.(name|domid)|nics\[\d+\]\.bridge|b_info\.(vuart|device_model.*))$/

function toDrift({ path, was, is }: Difference): Drift[] {
  if (path === "b_info.target_memkb" && typeof was === "number" && typeof is === "number") {
    const says = `it has ${mebibytes(is)} MiB instead of ${mebibytes(was)}`
    return [{ says, mend: { xl: ["mem-set", `${was}k`] } }]
  }
  if (path === "b_info.avail_vcpus" && typeof was === "number" && typeof is === "number")
    return [{ says: `it has ${is} virtual CPUs instead of ${was}`, mend: { xl: setVcpus(was) } }]
  return [{ says: `its ${word(path)} is ${show(is)} instead of ${show(was)}` }]
}

const mebibytes = (kibibytes: number): number => Math.round(kibibytes / 1024)

const words: Readonly<Record<string, string>> = {
  "b_info.kernel": "kernel",
  "b_info.max_memkb": "maxmem (KiB)",
  "b_info.max_vcpus": "maxvcpus",
  "c_info.type": "type",
}

const word = (path: string): string => words[path] ?? path

/** A command line may hold secrets: it is not repeated. */
function show(value: unknown): string {
  if (value === undefined) return "absent"
  const text = typeof value === "string" && value.startsWith("/") ? value : JSON.stringify(value)
  return text.length > 120 ? `${text.slice(0, 119)}…` : text
}

/** The leaves at which two views of libxl differ, by path. */
function differences(was: DomainDetails, is: DomainDetails): Difference[] {
  const [before, after] = [leaves(was), leaves(is)]
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter(path => !fluid.test(path) && before.get(path) !== after.get(path))
    .map(path =>
      path === "b_info.cmdline"
        ? { path: "command line", was: "what it was started with", is: "another" }
        : { path, was: before.get(path), is: after.get(path) },
    )
}

function leaves(value: unknown, path = "", found = new Map<string, unknown>()): Map<string, unknown> {
  if (typeof value !== "object" || value === null) return found.set(path, value)
  const isList = Array.isArray(value)
  // Which virtual CPUs are on is a bitmap: their number counts.
  if (isList && path === "b_info.avail_vcpus") return found.set(path, value.length)
  for (const [key, item] of Object.entries(value))
    leaves(item, isList ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`, found)
  return found
}

/**
 * How a domain that should serve a generation stands, in sentences; `[]` as it should be. `generation` is what the state
 * says; what was imported and never changed has no store, and its configuration is compared itself.
 */
export function domainDrift(name: string, generation: string, facts: DomainFacts): string[] {
  const it = serving(adopt(facts, name, facts.own.find(isAlive)?.uuid).facts)
  if (it === undefined) return [absence(facts)]
  if (it.generation.generation !== generation)
    return [`generation ${it.generation.generation} serves instead of ${generation}`]
  return driftOf(name, it.domain, it.generation, facts).map(({ says }) => says)
}

function absence({ own }: DomainFacts): string {
  if (own.some(({ activity }) => activity === "crashed")) return "it has crashed"
  return own.some(({ activity }) => activity === "shutdown") ? "it has shut down" : "it is not running"
}
