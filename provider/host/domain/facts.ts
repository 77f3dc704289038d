import type { DomainConfig } from "xlcfg"
import type { NetworkFacts } from "../facts/types.ts"

/** What a domain does: `shutdown` has stopped by itself and is still there, `dying` is being taken away. */
export type Activity = "running" | "paused" | "shutdown" | "crashed" | "dying"

/** A line of `xl list -v`. */
export interface ListedDomain {
  readonly id: number
  readonly name: string
  readonly uuid: string
  /** MiB that it holds now. */
  readonly memory: number
  readonly vcpus: number
  readonly activity: Activity
}

/**
 * What `xl list -l` tells of a domain: libxl's own view of its configuration (libxl_types.idl), as JSON; empty for one
 * that was never made whole.
 */
export interface DomainDetails {
  readonly [key: string]: unknown
}

/** A domain of ours: by its UUID, or by its name and MAC addresses where somebody has started it again by hand. */
export interface OwnDomain extends ListedDomain {
  readonly details: DomainDetails
}

/** A generation in the store. */
export interface StoredGeneration {
  readonly generation: string
  /** The configuration as it was started, with the identity that it was given. */
  readonly text: string
  readonly sha256: string
  /** Absent where somebody has made the text into something that is no configuration. */
  readonly config?: DomainConfig
  readonly uuid?: string
  /** `xl list -l` when it began to serve. */
  readonly baseline?: DomainDetails
}

/** One line of the history: when a generation began to serve, and what its configuration was. */
export interface HistoryEntry {
  readonly generation: string
  readonly time: string
  readonly sha256: string
}

/** The domain's folder on the host. */
export interface DomainStore {
  /** URN of the resource that owns it. */
  readonly owner?: string
  readonly generations: ReadonlyMap<string, StoredGeneration>
  /** The generation that serves, and the one that an update is under way to. */
  readonly current?: string
  readonly next?: string
  readonly history: readonly HistoryEntry[]
  /** "100 30": order and seconds for a shutdown. */
  readonly autostart?: string
}

export interface XenCapacity {
  /** Whether this is dom0, and its toolstack answers. */
  readonly usable: boolean
  /** What the toolstack said where it does not. */
  readonly problem?: string
  /** MiB. */
  readonly totalMemory: number
  readonly freeMemory: number
  /** "pv", "hvm", "hap", "shadow", … */
  readonly virtCaps: readonly string[]
}

/** All that a domain's plan is made from. */
export interface DomainFacts {
  readonly xen: XenCapacity
  /** Every domain of the host but dom0. */
  readonly domains: readonly ListedDomain[]
  /** Those of them that are ours. */
  readonly own: readonly OwnDomain[]
  /** The one that has the name, whoever has started it. */
  readonly named?: OwnDomain
  /** Absent: the host has never heard of the domain. */
  readonly store?: DomainStore
  readonly network: NetworkFacts
  /** Whether its address is changing hands: somebody must end that before there is a plan. */
  readonly switching: boolean
  readonly files: ReadonlySet<string>
  /** SHA-256 of the kernels that were asked for and are there. */
  readonly kernels: ReadonlyMap<string, string>
}
