// Writes docs/keys.md and docs/findings.md from the tables in the sources: npm run docs.
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { explain, groups, type KeyName, problemCodes } from "../src/index.ts"

const titles: Record<keyof typeof groups, string> = {
  general: "General",
  boot: "Boot",
  cpu: "Processors",
  memory: "Memory",
  devices: "Devices",
  pci: "Devices of the host passed through",
  machine: "The machine of an HVM guest",
  graphics: "Graphics",
  deviceModel: "Device model",
  xsm: "Mandatory access control",
  arm: "Arm",
}

/** The reference of all keys, as Markdown. */
export function keyReference(): string {
  const sections = Object.entries(groups).map(([group, rows]) => {
    const lines = (Object.keys(rows) as KeyName[]).map(keyRow)
    return `## ${titles[group as keyof typeof groups]}\n\n${table(["key", "what it is", "type", "where"], lines)}`
  })
  const count = Object.values(groups).reduce((sum, rows) => sum + Object.keys(rows).length, 0)
  const head = `All ${count} keys that xl of Xen 4.17 to 4.20 reads. Made from the key table by \`npm run docs\`.`
  return `# The keys of xl.cfg\n\n${head}\n\n${sections.join("\n")}`
}

function keyRow(key: KeyName): string[] {
  const { line, type, versions, guests, arch, instead } = explain(key)
  const since = versions === "4.17 to 4.20" ? "" : `since ${versions.split(" ")[0]}`
  const where = [guests.join(", "), arch ?? "", since, instead ? `old: ${instead}` : ""].filter(
    part => part !== "",
  )
  return [`\`${key}\``, line, type, where.join("; ")]
}

/** The reference of all finding codes, as Markdown. */
export function findingReference(): string {
  const rows = Object.entries(problemCodes).map(([code, [severity, meaning]]) => [
    `\`${code}\``,
    severity,
    meaning,
  ])
  return `# What check finds\n\nThe codes are stable. Made from the table by \`npm run docs\`.\n\n${table(["code", "severity", "meaning"], rows)}`
}

/** A Markdown table whose columns align in the source too. */
function table(head: string[], rows: string[][]): string {
  const cells = [head, ...rows].map(row => row.map(cell => cell.replaceAll("|", "\\|")))
  const widths = head.map((_, column) => Math.max(3, ...cells.map(row => row[column]!.length)))
  const line = (row: string[], fill = " ") =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!, fill)).join(" | ")} |\n`
  return [
    line(cells[0]!),
    line(Array(head.length).fill(""), "-"),
    ...cells.slice(1).map(row => line(row)),
  ].join("")
}

if (import.meta.main) {
  const folder = join(import.meta.dirname, "../docs")
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "keys.md"), keyReference())
  writeFileSync(join(folder, "findings.md"), findingReference())
}
