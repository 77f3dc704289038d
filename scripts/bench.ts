/** `npm run bench [-- NAME…]`: ours beside others', in turns in one run; the ratio is what a machine's mood leaves. */
import { readdir } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { goalText, type Row, verdict } from "./bench/row.ts"
import { step } from "./lab/progress.ts"

const folder = new URL("./bench/", import.meta.url)
const known = (await readdir(fileURLToPath(folder)))
  .filter(file => file.endsWith(".ts") && file !== "row.ts")
  .map(file => file.slice(0, -3))
  .sort()

const asked = process.argv.slice(2)
const strangers = asked.filter(name => !known.includes(name))
if (strangers.length > 0) {
  console.error(`There is no benchmark ${strangers.join(", ")}; there are ${known.join(", ")}.`)
  process.exit(2)
}

const columns: readonly [title: string, cell: (row: Row) => string][] = [
  ["", row => row.name],
  ["ours", row => figure(row.ours, row.unit)],
  ["theirs", row => figure(row.theirs, row.unit)],
  ["ratio", row => row.ratio.toFixed(2)],
  ["goal", row => (row.goal ? goalText(row.goal) : "")],
  ["", row => (row.goal ? verdict(row.goal) : "")],
  ["", row => row.note ?? ""],
]

for (const name of asked.length > 0 ? asked : known) {
  const { bench } = (await import(new URL(`${name}.ts`, folder).href)) as { bench(): Promise<Row[]> }
  const rows = await step(`bench ${name}`, () => bench())
  print(name, rows)
}

function figure(value: number, unit: Row["unit"]): string {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(1)} ${unit}`
}

function print(name: string, rows: readonly Row[]): void {
  const table = [columns.map(([title]) => title), ...rows.map(row => columns.map(([, cell]) => cell(row)))]
  table[0]![0] = name
  const widths = columns.map((_, index) => Math.max(...table.map(line => line[index]!.length)))
  for (const line of table) {
    const cells = line.map((cell, index) =>
      index === 0 ? cell.padEnd(widths[index]!) : cell.padStart(widths[index]!),
    )
    console.log(cells.join("  ").trimEnd())
  }
  console.log()
}
