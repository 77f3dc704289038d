import { ValueError } from "../errors.ts"
import type { Report } from "../problem.ts"
import { parseSpec, type Spec } from "./spec.ts"

/** One part of a list of host CPUs: `0-3`, `^node:1`, `all`. */
export type CpuTerm =
  | "all"
  | {
      readonly from: number
      readonly to: number
      /** NUMA nodes, with all their CPUs, in place of CPUs. */
      readonly nodes?: true
      /** Taken out of what the parts before it put in. */
      readonly not?: true
    }

/** The language of `cpus=` and `cpus_soft=`: a list of host CPUs and NUMA nodes. */
export const cpusSpec: Spec<readonly CpuTerm[]> = { kind: "CPU list", scan, print }

/** Reads a CPU list like `"0-3,^1"`. Throws {@link ValueError} for what xl refuses. */
export function parseCpus(text: string): readonly CpuTerm[] {
  return parseSpec(cpusSpec, text)
}

/** Writes a CPU list. */
export function printCpus(terms: readonly CpuTerm[]): string {
  return cpusSpec.print(terms)
}

function scan(text: string, report: Report): readonly CpuTerm[] | undefined {
  const terms = text
    .split(",")
    .filter(part => part !== "")
    .map(term)
  const bad = terms.indexOf(undefined)
  if (bad >= 0) {
    const part = text.split(",").filter(each => each !== "")[bad]
    report({
      code: "bad-value",
      message: `${JSON.stringify(part)} is no part of a CPU list`,
      remedy: "write parts like 0-3, ^1, node:0 or all",
    })
    return undefined
  }
  return terms as CpuTerm[]
}

function term(text: string): CpuTerm | undefined {
  if (/^(nodes?:)?all$/.test(text)) return "all"
  const match = /^(\^)?(nodes?:)?([0-9]{1,9})(?:-([0-9]{1,9}))?$/.exec(text)
  if (!match) return undefined
  const [, not, nodes, first, last] = match
  const from = Number(first)
  const to = Number(last ?? first)
  return to < from
    ? undefined
    : { from, to, ...(nodes && { nodes: true as const }), ...(not && { not: true as const }) }
}

function print(terms: readonly CpuTerm[]): string {
  if (terms.length === 0)
    throw new ValueError(cpusSpec.kind, "it has no part; leave the key out to use all CPUs")
  return terms
    .map(term => {
      if (term === "all") return term
      const { from, to, not, nodes } = term
      if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to < from)
        throw new ValueError(cpusSpec.kind, `${from}-${to} is no range`)
      return `${not ? "^" : ""}${nodes ? "node:" : ""}${from === to ? from : `${from}-${to}`}`
    })
    .join(",")
}
