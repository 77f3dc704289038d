import { type Disk, diskSpec } from "../devices/disk.ts"
import { type Vif, vifSpec } from "../devices/vif.ts"
import type { KeyName, ValueOf } from "../keys/table.ts"
import { isKey, keyOf } from "../keys/table.ts"
import type { Problem } from "../problem.ts"
import type { Document, Setting } from "../syntax/document.ts"
import type { Value, ValueNode } from "../syntax/tree.ts"
import { isBefore, type XenVersion, xenVersions } from "../version.ts"
import { type Finding, findingAt, nodeAt } from "./finding.ts"

/** A document whose values were read by the key table, and the findings so far. */
export class Reading {
  readonly document: Document
  readonly target: XenVersion
  readonly findings: Finding[] = []
  readonly #values = new Map<KeyName, unknown>()

  constructor(document: Document, target: XenVersion = xenVersions.at(-1)!) {
    this.document = document
    this.target = target
    for (const [name, setting] of document.settings) {
      if (!isKey(name)) continue
      const value = keyOf(name).type.read(setting.value, problem => this.report(name, problem))
      if (value !== undefined) this.#values.set(name, value)
    }
  }

  /** The value of a key as its type reads it; `undefined` where it is not set or cannot be read. */
  get<K extends KeyName>(name: K): ValueOf<K> | undefined {
    return this.#values.get(name) as ValueOf<K> | undefined
  }

  /** The disks that can be read, each with its place in the list. */
  get disks(): (readonly [number, Disk])[] {
    return readable(this.document.get("disk"), text => diskSpec.scan(text, () => {}))
  }

  /** The network interfaces, each with its place in the list. */
  get vifs(): (readonly [number, Vif])[] {
    return readable(this.document.get("vif"), text => vifSpec.scan(text, () => {}) as Vif | undefined)
  }

  /** The kind of guest that xl would create on x86, also from the old `builder`. */
  get guest(): "pv" | "pvh" | "hvm" {
    return this.get("type") ?? (this.get("builder") === "hvm" ? "hvm" : "pv")
  }

  /** Notes a problem with a key, at its value or the part of it that the problem's path names. */
  report(name: string, problem: Problem): void {
    if (problem.code === "too-new") {
      if (problem.since === undefined || !isBefore(this.target, problem.since)) return
      problem = {
        ...problem,
        message: `${problem.message}: xl ${this.target} does not know it, xl ${problem.since} does`,
      }
    }
    const setting = this.document.settings.get(name)
    const span = setting ? nodeOf(setting, problem.path) : { start: 0, end: 0 }
    this.findings.push(findingAt(this.document, span, problem, name))
  }
}

function readable<T>(
  list: Value | undefined,
  scan: (text: string) => T | undefined,
): (readonly [number, T])[] {
  if (list === undefined || typeof list === "string") return []
  return list.flatMap((item, index) => {
    const device = typeof item === "string" ? scan(item) : undefined
    return device === undefined ? [] : [[index, device] as const]
  })
}

function nodeOf(setting: Setting, path?: readonly number[]): ValueNode {
  return nodeAt(setting.items, setting.assignment.value, path)
}
