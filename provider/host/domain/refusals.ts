import type { DomainConfig } from "xlcfg"
import { storeDirectory } from "../kernels.ts"
import { type Refusal, refusal } from "../refusal.ts"
import { defaultBridge, disksOf, memoryFor, vifsOf } from "./devices.ts"
import type { DomainFacts } from "./facts.ts"
import { domainDirectory, stagedName } from "./names.ts"
import type { DomainPlan } from "./plan.ts"
import type { DomainWanted } from "./wanted.ts"

/** What the host itself does not allow, whatever is planned: asked before a plan is made. */
export function refuseDomainHost(facts: DomainFacts, wanted: DomainWanted): Refusal[] {
  return [
    ...refuseXen(facts),
    ...refuseOwner(facts, wanted),
    ...refuseName(facts, wanted),
    ...refuseEdited(facts, wanted),
  ]
}

/**
 * What the plan needs and the host does not have: said before anything is touched. `isPreview`: what belongs into the
 * host's store may be brought there by the same update.
 */
export function refuseDomain(
  facts: DomainFacts,
  wanted: DomainWanted,
  plan: DomainPlan,
  isPreview = false,
): Refusal[] {
  const isPromised = (path: string) => isPreview && path.startsWith(`${storeDirectory}/`)
  const starts = plan.steps.some(step => step.do === "start")
  const config = plan.target.config
  const swap =
    wanted.strategy === "swap" && plan.way === "recreate" && plan.old?.generation !== plan.target
      ? [
          refusal(
            "swap",
            `${wanted.name} cannot be swapped: ${plan.reason}.`,
            'Mend that, or choose strategy "recreate".',
          ),
        ]
      : []
  if (!starts || config === undefined) return swap
  return [
    ...swap,
    ...refuseKind(facts, config),
    ...refuseKernel(facts, config, isPromised),
    ...refuseBridges(facts, config),
    ...refuseDisks(facts, config, isPromised),
    ...refuseMemory(facts, plan, config),
  ]
}

function refuseXen({ xen }: DomainFacts): Refusal[] {
  if (xen.usable) return []
  return [
    refusal(
      "no-xen",
      `There can be no domain: ${xen.problem}.`,
      "Make it a Xen host first (XenHost, or Dom0 and a restart).",
    ),
  ]
}

/** The folder belongs to another resource, unless the state knows one of its domains: then its resource was renamed. */
function refuseOwner({ store }: DomainFacts, { name, urn, uuid }: DomainWanted): Refusal[] {
  if (store?.owner === undefined || store.owner === urn) return []
  const isKnown = [...store.generations.values()].some(stored => stored.uuid === uuid && uuid !== undefined)
  if (isKnown) return []
  return [
    refusal(
      "domain-taken",
      `The domain ${name} belongs to another resource of Pulumi: ${store.owner}.`,
      "Choose another name, or destroy it there first.",
    ),
  ]
}

function refuseName({ domains, own }: DomainFacts, { name }: DomainWanted): Refusal[] {
  const foreign = domains.find(
    domain =>
      (domain.name === name ||
        (domain.name.startsWith(stagedName(name, "")) && /\.[0-9a-f]{12}$/.test(domain.name))) &&
      !own.some(({ id }) => id === domain.id),
  )
  if (foreign === undefined) return []
  return [
    refusal(
      "domain-taken",
      `There is a domain ${foreign.name} (${foreign.uuid}) that this program has not started.`,
      `It is left alone. Stop or rename it, choose another name, or take it over: pulumi import xen:index:Domain … ssh://HOST/domains/${name}`,
    ),
  ]
}

/** A text that is not what it was when it last served: starting it again would start something else. */
function refuseEdited({ store }: DomainFacts, { name }: DomainWanted): Refusal[] {
  if (store === undefined) return []
  const last = new Map(store.history.map(entry => [entry.generation, entry.sha256]))
  const edited = [...store.generations.values()].filter(
    ({ generation, sha256 }) =>
      last.has(generation) && last.get(generation) !== sha256 && generation !== store.next,
  )
  return edited.map(({ generation }) =>
    refusal(
      "store-edited",
      `${domainDirectory(name)}/${generation}.cfg was edited by hand: its SHA-256 is not the one in the history.`,
      "Put the change into the program instead, and the file back as it was, or remove the file.",
    ),
  )
}

function refuseKind({ xen }: DomainFacts, config: DomainConfig): Refusal[] {
  const type = config.type ?? "pv"
  const able = type === "pv" ? "pv" : "hvm"
  if (xen.virtCaps.length === 0 || xen.virtCaps.includes(able)) return []
  const remedy =
    able === "hvm"
      ? "Switch on VT-x or AMD-V in its firmware, or deploy a kernel that starts as pv."
      : "This Xen was built without PV: deploy a kernel that starts as pvh."
  return [
    refusal(
      "kernel-kind",
      `It is a ${type} domain, and this host can run ${xen.virtCaps.join(", ")}.`,
      remedy,
    ),
  ]
}

const storedKernel = new RegExp(`^${storeDirectory}/kernels/([0-9a-f]{64})$`)

type IsPromised = (path: string) => boolean

function refuseKernel({ kernels }: DomainFacts, { kernel }: DomainConfig, isPromised: IsPromised): Refusal[] {
  if (kernel === undefined) return []
  const found = kernels.get(kernel)
  if (found === undefined && isPromised(kernel)) return []
  if (found === undefined)
    return [
      refusal(
        "kernel-missing",
        `The kernel ${kernel} is not there.`,
        "Deploy it first (Kernel), or correct the path.",
      ),
    ]
  const digest = storedKernel.exec(kernel)?.[1]
  if (digest === undefined || digest === found) return []
  return [
    refusal(
      "kernel-altered",
      `The kernel ${kernel} was altered: its SHA-256 is ${found}.`,
      "Run pulumi refresh, then pulumi up sends it again.",
    ),
  ]
}

function refuseBridges({ network }: DomainFacts, config: DomainConfig): Refusal[] {
  const wanted = vifsOf(config).flatMap(({ bridge = defaultBridge, script, backend }) =>
    script === undefined && backend === undefined ? [bridge] : [],
  )
  const missing = [...new Set(wanted)].filter(bridge => !network.links.some(({ name }) => name === bridge))
  const bridges = network.links.filter(({ kind }) => kind === "bridge").map(({ name }) => name)
  return missing.map(bridge =>
    refusal(
      "bridge-missing",
      `There is no bridge ${bridge}; this host has ${bridges.join(", ") || "none"}.`,
      "Make it (Bridge), or correct the name.",
    ),
  )
}

function refuseDisks({ files }: DomainFacts, config: DomainConfig, isPromised: IsPromised): Refusal[] {
  const missing = disksOf(config).filter(disk => {
    const path = diskFile(disk.target ?? "")
    return needsFile(disk) && !files.has(path) && !isPromised(path)
  })
  return missing.map(({ target, vdev }) =>
    refusal(
      "disk-missing",
      `The disk ${target} for ${vdev} is not there.`,
      "Make it (Disk), or correct the path.",
    ),
  )
}

/** With a script the target is the script's own business, with another domain as back end that domain's. */
export function needsFile({ target, script, backend }: ReturnType<typeof disksOf>[number]): boolean {
  return target !== undefined && script === undefined && backend === undefined
}

/** xl looks for a target without a slash in /dev (xl-disk-configuration(5)). */
export function diskFile(target: string): string {
  return target.startsWith("/") ? target : `/dev/${target}`
}

/** What is stopped before the start gives its memory back. */
function refuseMemory({ xen }: DomainFacts, { steps }: DomainPlan, config: DomainConfig): Refusal[] {
  const before = steps.slice(
    0,
    steps.findIndex(step => step.do === "start"),
  )
  const freed = before.flatMap(step =>
    step.do === "stop" || step.do === "discard" ? [step.domain.memory] : [],
  )
  const free = xen.freeMemory + freed.reduce((sum, memory) => sum + memory, 0)
  const needed = memoryFor(config)
  if (needed <= free) return []
  return [
    refusal(
      "memory",
      `It takes ${needed} MiB (${config.memory ?? 32} for the guest), and ${free} of ${xen.totalMemory} MiB are free.`,
      "Give it less memory, or stop another domain.",
    ),
  ]
}

/** What a plan for a configuration must know of the host's files. */
export function filesOf(config: DomainConfig | undefined): { kernels: string[]; files: string[] } {
  return {
    kernels: config?.kernel === undefined ? [] : [config.kernel],
    files: disksOf(config).flatMap(disk => (needsFile(disk) ? [diskFile(disk.target!)] : [])),
  }
}
