import {
  isLarger,
  refuseVolume,
  type Volume,
  type VolumeFacts,
  volumePath,
  withVolume,
} from "../host/disk/volumes.ts"
import { refuse } from "../host/refusal.ts"
import type { Context } from "../rpc/resource.ts"
import type { Connection } from "../ssh/index.ts"
import type { Inputs, Outputs } from "./diskInputs.ts"

const MiB = 1024 * 1024

/** The volume that is asked for, where one is. */
export function volumeOf({ volume, size }: Partial<Inputs>): Volume | undefined {
  return volume && { ...volume, size: size ?? 0 }
}

/**
 * Makes it, or grows it in place. One that an earlier run of this resource made or kept is taken up as it is; `known` is
 * one that the state has, perhaps by an import, so that nobody's mark is this resource's.
 */
export async function ensureVolume(
  host: Connection,
  volume: Volume,
  known: boolean,
  context: Context<Outputs>,
): Promise<{ id: string; outputs: Outputs }> {
  const { urn, signal } = context
  const before = await withVolume(host, "look", volume, { urn, signal })
  refuse(host.name, refuseVolume(before, volume, { urn, known }))
  context.progress(`${verbOf(before, volume)} ${volumePath(volume)}`)
  context.exists(volumePath(volume), describeVolume(volume, before))
  const after = await withVolume(host, "make", volume, { urn, signal })
  if (before.size !== undefined && (after.size ?? 0) > before.size && before.users.includes("running-domain"))
    context.log("info", `${volumePath(volume)} has grown; a domain that runs sees it at its next start`)
  return { id: volumePath(volume), outputs: describeVolume(volume, after) }
}

/** Says what would be done, and refuses now what would be refused then. */
export async function previewVolume(
  host: Connection,
  volume: Volume,
  known: boolean,
  context: Context,
): Promise<Outputs> {
  const facts = await withVolume(host, "look", volume, context)
  refuse(host.name, refuseVolume(facts, volume, { urn: context.urn, known }))
  const verb = verbOf(facts, volume)
  if (verb !== "keeping") context.log("info", `would be ${verb} ${volumePath(volume)} (${volume.size} MiB)`)
  return describeVolume(volume, { ...facts, size: Math.max(facts.size ?? 0, volume.size * MiB) })
}

function verbOf({ size }: VolumeFacts, volume: Volume): "making" | "growing" | "keeping" {
  if (size === undefined) return "making"
  return size < volume.size * MiB ? "growing" : "keeping"
}

/** Inputs and outputs of what is there; `undefined` when it is gone. */
export async function readVolume(host: Connection, volume: Volume, context: Context) {
  const facts = await withVolume(host, "look", volume, context)
  if (facts.size === undefined) {
    context.log(
      "warning",
      `${volumePath(volume)} is gone from ${host.name}, with all that was in it; the next update makes an empty one`,
    )
    return undefined
  }
  const asGiven = facts.size >= volume.size * MiB && !isLarger(facts, volume)
  const size = asGiven ? volume.size : Math.floor(facts.size / MiB)
  return { size, outputs: describeVolume(volume, facts) }
}

/** What domains wrote is not thrown away unless the program says so. */
export async function deleteVolume(
  host: Connection,
  volume: Volume,
  onDelete: Inputs["onDelete"],
  context: Context,
): Promise<void> {
  const path = volumePath(volume)
  if (onDelete === "refuse")
    throw new Error(
      `${path} on ${host.name} is protected: what is in it would be lost. Set onDelete to "remove" or "keep" and run pulumi up first`,
    )
  if (onDelete === "keep") {
    context.log(
      "info",
      `${path} stays on ${host.name} with what is in it; a disk of the same program takes it up again`,
    )
    return
  }
  const { users } = await withVolume(host, "remove", volume, context)
  if (users.length > 0)
    throw new Error(`${path} on ${host.name} is used by ${users.join(", ")}; remove what uses it first`)
}

function describeVolume(volume: Volume, { size }: VolumeFacts): Outputs {
  return { path: volumePath(volume), bytes: size ?? volume.size * MiB, integrity: "intact" }
}
