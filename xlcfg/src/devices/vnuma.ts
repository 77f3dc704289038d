import { ValueError } from "../errors.ts"
import type { Report } from "../problem.ts"
import type { Value } from "../syntax/tree.ts"

/** A virtual NUMA node: one entry of `vnuma=`. */
export interface VirtualNode {
  /** The host's node that it lies on. */
  readonly pnode: number
  /** Memory in MiB. */
  readonly size: number
  /** Its virtual CPUs: numbers and ranges (`"0-3"`, `"0,4-5"`). */
  readonly vcpus: string
  /** The distance to each virtual node, itself included. */
  readonly vdistances: readonly number[]
}

const NAMES = ["pnode", "size", "vcpus", "vdistances"] as const

/** The virtual CPUs that a node's `vcpus` names. */
export function vcpusOf(node: VirtualNode): number[] {
  return node.vcpus.split(",").flatMap(part => {
    const [from, to = from] = part.split("-").map(Number) as [number, number?]
    return Array.from({ length: to - from + 1 }, (_, index) => from + index)
  })
}

/** Reads one entry of `vnuma=`: a list of `name=value` texts, all four of them. */
export function scanVirtualNode(value: Value, report: Report): VirtualNode | undefined {
  const bad = (message: string) => {
    report({ code: "bad-value", message })
    return undefined
  }
  if (typeof value === "string")
    return bad('a virtual node is a list like ["pnode=0", "size=512", "vcpus=0-1", "vdistances=10"]')
  const given = new Map<string, string>()
  for (const item of value) {
    const match = typeof item === "string" ? /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(item) : null
    if (!match || !NAMES.includes(match[1] as never))
      return bad(`${JSON.stringify(item)} is no part of a virtual node; it has ${NAMES.join(", ")}`)
    given.set(match[1]!, match[2]!)
  }
  const missing = NAMES.filter(name => !given.has(name))
  if (missing.length > 0) return bad(`a virtual node needs ${missing.join(", ")}`)
  const vcpus = given.get("vcpus")!
  const numbers = [given.get("pnode")!, given.get("size")!, ...given.get("vdistances")!.split(",")]
  const wrong = numbers.find(text => !/^[0-9]{1,9}$/.test(text))
  if (wrong !== undefined) return bad(`${JSON.stringify(wrong)} in a virtual node is no number`)
  if (!/^[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*$/.test(vcpus))
    return bad(`vcpus=${vcpus} is no list of virtual CPUs`)
  const [pnode, size, ...vdistances] = numbers.map(Number) as [number, number, ...number[]]
  return { pnode, size, vcpus, vdistances }
}

/** Writes one entry of `vnuma=`. Throws {@link ValueError} for what xl would not read. */
export function printVirtualNode(node: VirtualNode): string[] {
  const parts = [
    `pnode=${node.pnode}`,
    `size=${node.size}`,
    `vcpus=${node.vcpus}`,
    `vdistances=${node.vdistances.join(",")}`,
  ]
  scanVirtualNode(parts, problem => {
    throw new ValueError("virtual NUMA node", problem.message)
  })
  return parts
}
