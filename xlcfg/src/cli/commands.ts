import { existsSync } from "node:fs"
import type { ParseArgsConfig } from "node:util"
import {
  check,
  checkHost,
  describe,
  explain,
  type Finding,
  format,
  isKey,
  isXenVersion,
  type KeyName,
  keys,
  type Literal,
  migrate,
  nearestKey,
  parse,
  renderSkeleton,
  severityOf,
  toInteger,
  type Value,
  xenVersions,
} from "../index.ts"
import { readSource, type Source, UsageError, writeSource } from "./source.ts"

/** The options of a command line, as node:util's parseArgs reads them. */
type Options = NonNullable<ParseArgsConfig["options"]>
export type Given = Readonly<Record<string, string | boolean | undefined>>

/** A command: what it takes, and what it does. It returns the exit code: 0, or 1 where something was found. */
export interface Command {
  readonly usage: string
  readonly line: string
  readonly options: Options
  run(words: string[], given: Given): Promise<number>
}

const json = { json: { type: "boolean" } } as const
const write = { write: { type: "boolean", short: "w" } } as const

export const commands: Readonly<Record<string, Command>> = {
  check: {
    usage: "check [--target 4.17] [--files] [--memory MIB] [--json] [FILE…]",
    line: "find what xl would refuse, drop or skip; several files are one host's",
    options: { target: { type: "string" }, files: { type: "boolean" }, memory: { type: "string" }, ...json },
    run: runCheck,
  },
  fmt: {
    usage: "fmt [--write | --check] [FILE…]",
    line: "print in one layout; comments and values stay",
    options: { check: { type: "boolean" }, ...write },
    run: runFormat,
  },
  render: {
    usage: "render SKELETON [NAME=VALUE…] [--values FILE.json]",
    line: "fill a .xl.in or .xl.hbs skeleton",
    options: { values: { type: "string" } },
    run: runRender,
  },
  get: {
    usage: "get KEY [FILE] [--json]",
    line: "print what xl reads for a key",
    options: json,
    run: runGet,
  },
  set: {
    usage: "set KEY VALUE [FILE] [--write]",
    line: "set a key to a number, a text or a [ list ]; all else stays",
    options: write,
    run: runSet,
  },
  migrate: {
    usage: "migrate [--write] [--json] [FILE…]",
    line: "replace old forms (builder=, phy:, …) by today's",
    options: { ...write, ...json },
    run: runMigrate,
  },
  explain: {
    usage: "explain KEY… [--json]",
    line: "say what a key is, its type and its versions",
    options: json,
    run: runExplain,
  },
}

function print(text: string): void {
  process.stdout.write(text.endsWith("\n") || text === "" ? text : `${text}\n`)
}

function sources(files: string[]): Promise<Source[]> {
  return Promise.all((files.length === 0 ? ["-"] : files).map(readSource))
}

async function runCheck(files: string[], { target, files: lookUp, memory, json }: Given): Promise<number> {
  if (typeof target === "string" && !isXenVersion(target))
    throw new UsageError(`--target ${target}: known are ${xenVersions.join(", ")}`)
  const mebibytes = typeof memory === "string" ? toInteger(memory) : undefined
  if (memory !== undefined && mebibytes === undefined)
    throw new UsageError(`--memory ${String(memory)} is not a number of MiB`)
  const read = await sources(files)
  const options = {
    ...(typeof target === "string" && isXenVersion(target) && { target }),
    ...(lookUp && { exists: existsSync }),
  }
  const findings: (Finding & { file: string })[] = []
  for (const { file, text } of read)
    findings.push(...check(text, options).map(finding => ({ file, ...finding })))
  const whole = read.filter(
    ({ file }) => !findings.some(finding => finding.file === file && finding.code === "syntax"),
  )
  const documents = whole.map(({ file, text }) => ({ file, document: parse(text) }))
  findings.push(...checkHost(documents, { ...(mebibytes !== undefined && { memory: mebibytes }) }))
  if (json) print(JSON.stringify(findings, null, 2))
  else for (const finding of findings) print(describe(finding, finding.file))
  return findings.some(({ code }) => severityOf(code) !== "note") ? 1 : 0
}

async function runFormat(files: string[], { check: only, write }: Given): Promise<number> {
  let code = 0
  for (const source of await sources(files)) {
    const text = format(parse(source.text)).print()
    const changed = text !== source.text
    if (only) {
      if (changed) print(source.file)
      code ||= changed ? 1 : 0
    } else if (write) {
      if (changed) await writeSource(source, text)
    } else process.stdout.write(text, source.encoding)
  }
  return code
}

async function runRender([file, ...words]: string[], { values }: Given): Promise<number> {
  if (file === undefined) throw new UsageError("render needs a skeleton")
  const { text } = await readSource(file)
  const given: Record<string, Literal> =
    typeof values === "string" ? readValues(await readSource(values)) : {}
  for (const word of words) {
    const equals = word.indexOf("=")
    if (equals < 1) throw new UsageError(`${word} is not NAME=VALUE`)
    given[word.slice(0, equals)] = word.slice(equals + 1)
  }
  if (file.endsWith(".hbs")) {
    // Only here: the rest of the command line must work where handlebars is not installed.
    const { renderTemplate } = await import("../../handlebars/index.ts").catch(cause => {
      throw new UsageError("a .hbs skeleton needs the package handlebars: npm install handlebars", { cause })
    })
    print(renderTemplate(text, given))
  } else print(renderSkeleton(text, given))
  return 0
}

function readValues({ file, text }: Source): Record<string, Literal> {
  try {
    const values: unknown = JSON.parse(text)
    if (typeof values === "object" && values !== null && !Array.isArray(values))
      return values as Record<string, Literal>
  } catch {
    // Said below.
  }
  throw new UsageError(`${file} is no JSON object of values`)
}

async function runGet([key, file = "-"]: string[], { json }: Given): Promise<number> {
  if (key === undefined) throw new UsageError("get needs a key")
  const value = parse((await readSource(file)).text).get(key)
  if (value === undefined) return 1
  print(json ? toJson(value) : lines(value))
  return 0
}

function toJson(value: Value): string {
  try {
    return JSON.stringify(value)
  } catch (cause) {
    throw new UsageError("the list is nested too deeply for JSON", { cause })
  }
}

/** A text as it is, a list one item a line; what is nested deeper as JSON. */
function lines(value: Value): string {
  if (typeof value === "string") return value
  return value.map(item => `${typeof item === "string" ? item : toJson(item)}\n`).join("")
}

async function runSet([key, value, file = "-"]: string[], { write }: Given): Promise<number> {
  if (key === undefined || value === undefined) throw new UsageError("set needs a key and a value")
  const source = await readSource(file)
  const text = parse(source.text).set(key, literal(value)).print()
  if (write) await writeSource(source, text)
  else process.stdout.write(text, source.encoding)
  return 0
}

/** What was meant on the command line: a number, a `[ list ]` or a quoted text in xl's grammar, else a text. */
function literal(word: string): Literal {
  const number = toInteger(word)
  if (number !== undefined && number >= 0) return number
  return /^\s*[["']/.test(word) ? parse(`value = ${word}\n`).get("value")! : word
}

async function runMigrate(files: string[], { write, json }: Given): Promise<number> {
  for (const source of await sources(files)) {
    const { document, changes } = migrate(parse(source.text))
    if (json) print(JSON.stringify({ file: source.file, changes, text: document.print() }))
    else {
      for (const { key, message } of changes) process.stderr.write(`${source.file}: ${key}: ${message}\n`)
      if (!write) process.stdout.write(document.print(), source.encoding)
    }
    if (write && changes.length > 0) await writeSource(source, document.print())
  }
  return 0
}

async function runExplain(names: string[], { json }: Given): Promise<number> {
  const unknown = names.find(name => !isKey(name))
  if (unknown !== undefined) {
    const nearest = nearestKey(unknown)
    throw new UsageError(`xl knows no key ${unknown}${nearest ? `; did you mean ${nearest}?` : ""}`)
  }
  const wanted = (names.length > 0 ? names : Object.keys(keys)) as KeyName[]
  const rows = wanted.map(explain)
  if (json) print(JSON.stringify(rows, null, 2))
  else
    for (const { key, line, type, versions, guests, arch, instead } of rows) {
      print(`${key}: ${line}\n  type:     ${type}\n  versions: ${versions}`)
      if (guests.length > 0) print(`  guests:   ${guests.join(", ")}`)
      if (arch) print(`  only on:  ${arch}`)
      if (instead) print(`  instead:  ${instead}`)
    }
  return 0
}
