import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test from "ava"
import { findingReference, keyReference } from "../scripts/docs.ts"
import { explain, isKey, type KeyName, keys, nearestKey, xenVersions } from "../src/index.ts"

const root = join(import.meta.dirname, "..")
const readme = readFileSync(join(root, "README.md"), "utf8")

test("the references in docs are what the tables say", t => {
  t.is(readFileSync(join(root, "docs/keys.md"), "utf8"), keyReference())
  t.is(readFileSync(join(root, "docs/findings.md"), "utf8"), findingReference())
})

test("every command in the README prints what the README says", t => {
  const folder = mkdtempSync(join(tmpdir(), "xlcfg-readme-"))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const [session] = block("console")
  const steps = session!.split(/^\$ /m).slice(1)
  t.is(steps.length, 4)
  for (const step of steps) {
    const [command, ...lines] = step.split("\n") as [string, ...string[]]
    const [program, ...words] = command.split(" ") as [string, ...string[]]
    const expected = lines.join("\n")
    if (program === "cat") writeFileSync(join(folder, words[0]!), expected)
    else t.is(run(folder, words), expected, command)
  }
})

function run(folder: string, words: string[]): string {
  try {
    return execFileSync(process.execPath, [join(root, "bin/xlcfg"), ...words], {
      cwd: folder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    })
  } catch (error) {
    // Findings are exit code 1, and no failure here.
    return (error as { stdout: string }).stdout
  }
}

test("every example of the library in the README gives what its comment says", async t => {
  const [code] = block("ts")
  const examples = [...code!.matchAll(/^(?!const |import |\/\/)(\S.*?) \/\/ (.*)$/gm)]
  t.is(examples.length, 4)
  const imports = code!.replace('"xlcfg"', JSON.stringify(join(root, "src/index.ts")))
  const collect = imports.replace(/^(?!const |import |\/\/)(\S.*?) \/\/ (.*)$/gm, "results.push([$1, $2])")
  const folder = mkdtempSync(join(tmpdir(), "xlcfg-readme-"))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, "readme.ts")
  writeFileSync(file, `export const results: unknown[][] = []\n${collect}`)
  const { results } = await import(file)
  t.is(results.length, 4)
  for (const [actual, said] of results) t.deepEqual(actual, said)
})

function block(language: string): string[] {
  return [...readme.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, "gs"))].map(match => match[1]!)
}

test("the README counts the keys right", t => {
  t.true(readme.includes(`all ${Object.keys(keys).length} keys`))
})

test("every key that the installed xl.cfg(5) documents is in the table", t => {
  const manual = "/usr/share/doc/xen/html/man/xl.cfg.5.html"
  const html = (() => {
    try {
      return readFileSync(manual, "utf8")
    } catch (cause) {
      throw new Error(`The table is compared with Xen's manual, ${manual}: apt-get install xen-doc`, {
        cause,
      })
    }
  })()
  const documented = new Set([...html.matchAll(/<dt id="[^"]*"><b>([a-z_0-9]+)=/g)].map(match => match[1]!))
  t.true(documented.size > 150)
  // The manual lists the options within device specifications in the same way.
  const options = [
    ...[
      "path",
      "tag",
      "security_model",
      "backend",
      "connection",
      "strategy",
      "policy",
      "version",
      "ports",
      "hostbus",
      "hostaddr",
    ],
    ...["controller", "port", "pnode", "size", "vdistances", "width", "height", "transport"],
  ]
  t.deepEqual(
    [...documented].filter(name => !isKey(name) && !options.includes(name)),
    [],
  )
})

test("every key has a line, a type and versions, and is explained", t => {
  for (const key of Object.keys(keys) as KeyName[]) {
    const { line, type, versions, group } = explain(key)
    t.regex(line, /^[^a-z].*\.$|^[a-z0-9]+ .*\.$/, key)
    t.true(type.length > 3 && group.length > 2, key)
    t.true(versions.endsWith(xenVersions.at(-1)!), key)
  }
})

for (const [misspelt, meant] of [
  ["memmory", "memory"],
  ["vcpu", "vcpus"],
  ["on_carsh", "on_crash"],
  ["kernal", "kernel"],
  ["disks", "disk"],
  ["xyzzy", undefined],
] as const) {
  test(`${misspelt} was probably meant to be ${meant ?? "no key"}`, t => t.is(nearestKey(misspelt), meant))
}
