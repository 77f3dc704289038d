import { readFileSync } from "node:fs"
import type { Command, Connection } from "../../ssh/index.ts"
import { FILES_SH } from "../files.ts"
import { RECORDS } from "../records.ts"
import { type Refusal, refusal } from "../refusal.ts"

const SCRIPT = `${FILES_SH}${readFileSync(new URL("volume.sh", import.meta.url), "utf8")}`
const MiB = 1024 * 1024

/** An empty disk that outlives its domains. */
export interface Volume {
  readonly name: string
  /** LVM's volume group; absent for a file of the store. */
  readonly group?: string | undefined
  /** MiB. */
  readonly size: number
}

/** What a domain's disk has as its target. */
export function volumePath({ name, group }: Pick<Volume, "name" | "group">): string {
  return group === undefined ? `${RECORDS}/volumes/${name}.img` : `/dev/${group}/${name}`
}

/** What there is on the host of a volume, and around it. Numbers are bytes. */
export interface VolumeFacts {
  /** The URN of the resource that made it. */
  readonly owner?: string
  /** Absent where there is no volume, or one that is not finished. */
  readonly size?: number
  readonly free?: number
  /** LVM's unit of allocation; absent for a file. */
  readonly extent?: number
  /** The host's volume groups, where the one asked for is not among them. */
  readonly groups: readonly string[]
  readonly hasLvm: boolean
  /** The domains that use it: `domain:www`, `running-domain`. */
  readonly users: readonly string[]
}

/** Reads what `volume.sh` wrote. */
export function parseVolumeFacts(stdout: string): VolumeFacts {
  const lines = stdout.split("\n").map(line => line.split(/ (.*)/s, 2) as [string, string?])
  const all = (key: string): string[] =>
    lines.flatMap(([word, value]) => (word === key && value !== undefined ? [value] : []))
  const bytes = (key: "size" | "free" | "extent") => {
    const [value] = all(key)
    return value === undefined ? {} : { [key]: Number(value) }
  }
  const [owner] = all("owner")
  return {
    ...(owner !== undefined && { owner }),
    ...bytes("size"),
    ...bytes("free"),
    ...bytes("extent"),
    groups: all("group"),
    hasLvm: all("lvm").length === 0,
    users: all("user"),
  }
}

export type VolumeVerb = "look" | "make" | "remove"

/** Runs one of the script's verbs, and tells what there is afterwards. */
export async function withVolume(
  host: Connection,
  verb: VolumeVerb,
  volume: Volume,
  options: { readonly urn: string; readonly signal?: AbortSignal },
): Promise<VolumeFacts> {
  const { urn, signal } = options
  const { stdout } = await host.run(volumeCommand(verb, volume, urn), {
    stdin: SCRIPT,
    ...(signal && { signal }),
  })
  return parseVolumeFacts(stdout)
}

function volumeCommand(verb: VolumeVerb, volume: Volume, urn: string): Command {
  const { name, group, size } = volume
  const mark =
    group === undefined
      ? `${RECORDS}/owners/volumes/${name}`
      : `${RECORDS}/owners/logical-volumes/${group}/${name}`
  const words = [RECORDS, mark, volumePath(volume), group ?? "", group === undefined ? "" : name]
  return ["sh", "-s", "--", verb, ...words, String(size * MiB), urn]
}

/** Whether there is a volume that is larger than asked for by more than LVM's rounding. */
export function isLarger({ size: has, extent = 1 }: VolumeFacts, { size }: Volume): boolean {
  return has !== undefined && has - size * MiB >= extent
}

/** What must not be attempted, before anything is changed. */
export function refuseVolume(
  facts: VolumeFacts,
  volume: Volume,
  { urn, known }: { urn: string; known: boolean },
): Refusal[] {
  const { size: has, owner, free, hasLvm, groups } = facts
  const { group, size } = volume
  const path = volumePath(volume)
  if (!hasLvm)
    return [
      refusal(
        "volume-group",
        `${path} is asked for, and there is no LVM on the host.`,
        "Install the package lvm2, or leave the group out for a volume in a file.",
      ),
    ]
  if (group !== undefined && free === undefined)
    return [
      refusal(
        "volume-group",
        `There is no volume group ${group}; the host has ${groups.join(", ") || "none"}.`,
        "Make it with vgcreate, or name one that there is.",
      ),
    ]
  if (owner !== undefined && owner !== urn)
    return [
      refusal(
        "foreign-file",
        `${path} belongs to another resource of Pulumi: ${owner}.`,
        "Use that one, or choose another name.",
      ),
    ]
  if (has !== undefined && owner === undefined && !known)
    return [
      refusal(
        "foreign-file",
        `There is ${path} already, of ${mebibytes(has)}, and nothing says that it was made here.`,
        "Take it over with pulumi import, or choose another name.",
      ),
    ]
  if (isLarger(facts, volume))
    return [
      refusal(
        "disk-size",
        `${path} has ${mebibytes(has!)}, and ${size} MiB are asked for: making it smaller would cut off what is in it.`,
        `Set its size to ${Math.ceil(has! / MiB)}, or make a new volume with another name.`,
      ),
    ]
  const more = size * MiB - (has ?? 0)
  if (free !== undefined && more > free)
    return [
      refusal(
        "disk-space",
        `${path} needs ${mebibytes(more)} more, and ${mebibytes(free)} are free${group ? ` in ${group}` : ""}.`,
        "Make room there, or ask for less.",
      ),
    ]
  return []
}

export function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / MiB)} MiB`
}
