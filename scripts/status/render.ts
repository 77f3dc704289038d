import type { DomainStatus, HostStatus } from "./look.ts"

const columns = ["DOMAIN", "STATE", "HEALTH", "GENERATION", "SINCE", "MEMORY", "ADDRESSES"]

/** The hosts and their domains, a table each. */
export function render(hosts: readonly HostStatus[]): string {
  if (hosts.length === 0) return "The stack has no domains."
  return hosts.map(renderHost).join("\n\n")
}

function renderHost({ host, problem, totalMemory, freeMemory, domains, others }: HostStatus): string {
  const head = problem ? `${host}: ${problem}` : `${host}: ${freeMemory} of ${totalMemory} MiB free`
  const rows = [columns, ...domains.map(row)]
  const widths = columns.map((_, column) => Math.max(...rows.map(cells => cells[column]!.length)))
  const table = rows.map(cells =>
    `  ${cells.map((cell, at) => cell.padEnd(widths[at]!)).join("  ")}`.trimEnd(),
  )
  const reasons = domains.flatMap(({ name, health }) =>
    health?.reason ? [`  ${name}: ${health.reason}`] : [],
  )
  const foreign = others.length === 0 ? [] : [`  not of this stack: ${others.join(", ")}`]
  return [head, ...table, ...reasons, ...foreign].join("\n")
}

function row({
  name,
  state,
  health,
  generation,
  next,
  generations,
  since,
  memory,
  addresses,
}: DomainStatus): string[] {
  const of = generations.length > 1 ? ` (of ${generations.length})` : ""
  return [
    name,
    state,
    health === undefined ? "-" : health.ok ? "healthy" : "failing",
    generation === undefined ? "-" : `${generation}${of}${next === undefined ? "" : ` -> ${next}`}`,
    since ?? "-",
    memory === undefined ? "-" : `${memory} MiB`,
    addresses.join(", ") || "-",
  ]
}
