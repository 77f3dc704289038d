import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import test from "ava"
import { first, laterMachines, laterOthers, type Minutes, minutesOfFirst } from "../../scripts/test/files.ts"

const tests = join(import.meta.dirname, "..")
/** TEST_MINUTES of .ci/run. */
const [, limit] = /TEST_MINUTES=(\d+)/.exec(readFileSync(join(tests, "../.ci/run"), "utf8"))!

/** What comes to its end within so many minutes, when each place takes the next file that still fits (scripts/test.ts). */
function inTime(files: Minutes, places: number, minutes: number): string[] {
  const free = Array<number>(places).fill(0)
  return Object.entries(files).flatMap(([name, needs]) => {
    const place = free.indexOf(Math.min(...free))
    if (free[place]! + needs > minutes) return []
    free[place]! += needs
    return [name]
  })
}

test("within the limit of continuous integration there is time for all that shows that the host comes back", t => {
  const shown = inTime(laterMachines, 2, Number(limit) - minutesOfFirst)
  const promises = [
    "sabotage/boot",
    "sabotage/power",
    "sabotage/network",
    "sabotage/packages",
    "debian",
    "rpm",
  ]
  for (const name of promises) t.true(shown.includes(`xenHost/${name}`), name)
})

test("each file that is listed is there, and each that boots a machine is listed", t => {
  const listed = Object.keys({ ...first, ...laterMachines, ...laterOthers })
  const all = readdirSync(tests, { recursive: true, encoding: "utf8" }).filter(name =>
    name.endsWith(".test.ts"),
  )
  t.deepEqual(
    listed.filter(name => !all.includes(`${name}.test.ts`)),
    [],
  )
  const boots = (name: string) =>
    /\b(bareMachine|installedMachine|xenMachine|machineTurn)\(/.test(readFileSync(join(tests, name), "utf8"))
  const machines = Object.keys({ ...first, ...laterMachines }).map(name => `${name}.test.ts`)
  t.deepEqual(
    all.filter(name => boots(name) && !machines.includes(name)),
    [],
  )
})
