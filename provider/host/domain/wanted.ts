import { createHash } from "node:crypto"
import { configOf, type DomainConfig, generate, parse } from "xlcfg"
import type { Health } from "../swap/index.ts"
import { vifsOf } from "./devices.ts"
import type { StoredGeneration } from "./facts.ts"
import { portName } from "./names.ts"

export type Strategy = "swap" | "recreate"

/** A domain as it is asked for. */
export interface DomainWanted {
  readonly name: string
  /** URN of the resource: whose the domain is. */
  readonly urn: string
  readonly generation: string
  /** Canonical, without `uuid` and `vifname`; absent for a generation that the store must have. */
  readonly configuration?: string | undefined
  /** The UUID that the state knows the domain by: what was imported has no folder on the host. */
  readonly uuid?: string | undefined
  /** With their prefix length. */
  readonly addresses: readonly string[]
  readonly gateways: readonly string[]
  readonly health: Health
  /** Default: swap where it can be. */
  readonly strategy?: Strategy | undefined
  /** Seconds: for open connections at a switch, of watching afterwards, for a graceful shutdown. */
  readonly drain: number
  readonly probation: number
  readonly shutdownTimeout: number
  /** Its place in the order of starts; absent: it does not start with the host. */
  readonly order?: number | undefined
  /** How many generations the store keeps. */
  readonly keep: number
}

/** The configuration without what makes a running domain this one: what generations are compared by. */
export function withoutIdentity(config: DomainConfig): DomainConfig {
  const { uuid: _, vif, ...rest } = config
  if (vif === undefined) return rest
  return { ...rest, vif: vifsOf(config).map(({ vifname: _, ...device }) => device) }
}

/** A generation as it is started: its configuration with a UUID, and with names for its ports. */
export function startedAs(generation: string, configuration: DomainConfig, uuid: string): StoredGeneration {
  const vif = vifsOf(configuration).map((device, index) => ({ ...device, vifname: portName(uuid, index) }))
  const text = generate({ ...configuration, uuid, ...(configuration.vif && { vif }) })
  return generationFrom(generation, text)
}

/** A generation by its text. */
export function generationFrom(generation: string, text: string): StoredGeneration {
  const config = configOf(parse(text))
  const sha256 = createHash("sha256").update(text).digest("hex")
  return { generation, text, sha256, config, ...(config.uuid && { uuid: config.uuid }) }
}
