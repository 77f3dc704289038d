import test from "ava"
import { diskSpec } from "../src/devices/disk.ts"
import { CfgSyntaxError, parse, parsePci, XlcfgError } from "../src/index.ts"
import { mutate, randomCfg } from "./helpers/cfgs.ts"
import { randomDisk } from "./helpers/disks.ts"
import { type Answer, buildOracle, type Case, type Oracle } from "./helpers/oracle.ts"
import { Random } from "./helpers/random.ts"

// Where ours differs from Xen's library on purpose, by name:
const deliberate = {
  /** A NUL in a string makes libxlutil abort; ours is an error. */
  nul: (text: string) => text.includes("\0"),
  /** 4.17's sources know `trusted` in a disk; the scanner generated from them, which is what is built, does not. */
  trusted: (text: string) => text.includes("trusted"),
  /** New in 4.19. */
  grantUsage: (text: string) => text.includes("grant_usage"),
  /** A bad character right before a newline makes the disk scanner abort; ours is an error. */
  badCharacterBeforeNewline: (text: string) => text.includes("\n"),
}

let oracle: Oracle
test.before(async () => {
  oracle = await buildOracle()
})
test.after.always(() => oracle?.dispose())

function ask(kind: Case["kind"], texts: readonly string[]): Promise<Answer[]> {
  return oracle.ask(texts.map(text => ({ kind, text: Buffer.from(text) })))
}

/** The helper gives bytes; ours gives characters. */
function decode(value: unknown): unknown {
  if (typeof value === "string") return Buffer.from(value, "latin1").toString()
  if (Array.isArray(value)) return value.map(decode)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, decode(item)]))
}

/** What ours makes of a text: what it read, or "error" for its own errors. Anything else it throws is a bug. */
function attempt<T>(read: () => T): T | "error" {
  try {
    return read()
  } catch (error) {
    if (error instanceof XlcfgError) return "error"
    throw error
  }
}

function readCfg(text: string): unknown {
  return attempt(() => {
    const document = parse(text)
    const settings = [...document.settings].map(([key, { value, assignment }]) => [
      key,
      document.position(assignment.value.start).line,
      value,
    ])
    return settings.sort(byKey)
  })
}

function byKey([a]: unknown[], [b]: unknown[]): number {
  return String(a) < String(b) ? -1 : 1
}

/** xl counts the line of a list from an inner token; only the lines of texts can be compared. */
function comparable(settings: unknown): unknown {
  if (!Array.isArray(settings)) return settings
  return settings.map(([key, line, value]) => [key, Array.isArray(value) ? 0 : line, value]).sort(byKey)
}

test("of 40,000 generated and mutated configurations, ours accepts what Xen's parser accepts and reads the same", async t => {
  const random = new Random(4_17_7)
  const texts = Array.from({ length: 20_000 }, () => randomCfg(random)).flatMap(text => [
    text,
    mutate(random, text, "abz019xfAF._+-=,;[]#'\"\\\n\t \r\0é()"),
  ])
  const answers = await ask("c", texts)
  let accepted = 0
  texts.forEach((text, index) => {
    const theirs = answers[index]
    const ours = readCfg(text)
    if (theirs === "crash") {
      t.true(deliberate.nul(text), `Xen's parser aborts on ${JSON.stringify(text)}`)
      t.is(ours, "error", JSON.stringify(text))
      return
    }
    if (theirs !== "error") accepted++
    t.deepEqual(comparable(ours), comparable(decode(theirs)), JSON.stringify(text))
  })
  t.true(accepted > 8000, `only ${accepted} of them were configurations`)
})

test("lists nest as deep as in Xen's parser, whose stack holds 10,000 symbols, and not deeper", async t => {
  const nest = (open: string, depth: number, inside: string, close: string) =>
    `a=${open.repeat(depth)}${inside}${close.repeat(depth)}\n`
  const texts = [
    ...[4995, 4996, 4997].flatMap(depth => [
      nest("[", depth, "1", "]"),
      nest("[\n", depth, "1", "]"),
      nest("[", depth, "1\n", "]"),
      nest("[", depth, "", "]"),
      nest("[", depth, "\n", "\n]"),
    ]),
    ...[1997, 1998, 1999, 2000].flatMap(depth => [
      nest("[1,", depth, "", "]"),
      nest("[1,\n", depth, "", "]"),
      nest("[1\n,", depth, "", "]"),
      nest("[1,", depth, "3\n", "]"),
      `${nest("[[],", depth, "[1,2", "]").trim()}]\n`,
    ]),
  ]
  const answers = await ask("c", texts)
  const verdicts = (values: unknown[]) => values.map(value => (value === "error" ? "error" : "accepted"))
  t.deepEqual(verdicts(texts.map(text => attempt(() => parse(text)))), verdicts(answers))
  t.deepEqual([...new Set(verdicts(answers))].sort(), ["accepted", "error"])
})

function readDisk(text: string): unknown {
  const disk = diskSpec.scan(text, () => {})
  if (disk === undefined) return "error"
  return {
    readwrite: disk.access === "rw" ? 1 : 0,
    cdrom: disk.cdrom ? 1 : 0,
    safe: disk["direct-io-safe"] ? 1 : 0,
    coloPort: disk["colo-port"] ?? 0,
    discard: disk.discard ?? null,
    colo: disk.colo ?? null,
    trusted: null,
    target: disk.target ?? null,
    vdev: disk.vdev,
    script: disk.script ?? null,
    backend: disk.backend ?? null,
    coloHost: disk["colo-host"] ?? null,
    coloExport: disk["colo-export"] ?? null,
    activeDisk: disk["active-disk"] ?? null,
    hiddenDisk: disk["hidden-disk"] ?? null,
    format: disk.format,
    backendtype: disk.backendtype ?? "unknown",
    specification: disk.specification ?? "unknown",
  }
}

test("of 40,000 generated and mutated disk specifications, ours accepts what Xen's parser accepts and reads the same", async t => {
  const random = new Random(4_17_8)
  const texts = Array.from({ length: 22_000 }, () => randomDisk(random))
    .flatMap(text => [text, mutate(random, text, "xvda0,:=- \n\t/.rwé")])
    .filter(text => !deliberate.trusted(text) && !deliberate.grantUsage(text))
  t.true(texts.length > 40_000)
  const answers = await ask("d", texts)
  let accepted = 0
  texts.forEach((text, index) => {
    const theirs = answers[index]
    if (theirs === "crash") {
      t.true(deliberate.badCharacterBeforeNewline(text), `Xen's parser aborts on ${JSON.stringify(text)}`)
      t.is(readDisk(text), "error", JSON.stringify(text))
      return
    }
    if (theirs !== "error") accepted++
    t.deepEqual(readDisk(text), decode(theirs), JSON.stringify(text))
  })
  t.true(accepted > 4000, `only ${accepted} of them were disks`)
})

test("PCI specifications that ours accepts Xen's parser accepts, and reads the same", async t => {
  const random = new Random(4_17_9)
  const starts = [
    "03:00.0",
    "0000:03:1f.7",
    "0001:ff:00.*",
    "03:00.0@1f",
    "3:0.0@0",
    "bdf=03:00.1",
    "name=nic",
    "nothing",
    "03:20.0",
    "",
  ]
  const options = [
    "permissive=1",
    "seize=0",
    "msitranslate=1",
    "power_mgmt=1",
    "rdm_policy=strict",
    "rdm_policy=relaxed",
    "vslot=1f",
    "x=1",
    "name=b",
  ]
  const texts = Array.from({ length: 5000 }, () =>
    [random.pick(starts), ...Array.from({ length: random.below(3) }, () => random.pick(options))].join(","),
  ).flatMap(text => [text, mutate(random, text, "0123f:.,=@*ab")])
  const answers = await ask("p", texts)
  let accepted = 0
  texts.forEach((text, index) => {
    const ours = attempt(() => parsePci(text))
    if (ours === "error") return
    accepted++
    const [domain, bus, device, func] = ours.bdf?.split(/[:.]/) ?? ["0", "0", "0", "0"]
    t.like(
      answers[index],
      {
        domain: Number.parseInt(domain!, 16),
        bus: Number.parseInt(bus!, 16),
        dev: Number.parseInt(device!, 16),
        func: func === "*" ? 0 : Number(func),
        vdevfn: (ours.vslot ?? 0) << 3,
        permissive: ours.permissive ? 1 : 0,
        msitranslate: ours.msitranslate ? 1 : 0,
        seize: ours.seize ? 1 : 0,
        power: ours.power_mgmt ? 1 : 0,
      },
      text,
    )
  })
  t.true(accepted > 2000, `only ${accepted} of them were PCI specifications`)
})

test("no text makes the parser throw anything but its own error, and it never misses the place", t => {
  const random = new Random(7)
  for (let round = 0; round < 5000; round++) {
    const text = mutate(
      random,
      random.repeat(random.below(40), () => String.fromCharCode(random.below(0x250))),
      "[]\"'\\#\n=a1\0\ud800",
    )
    try {
      t.is(parse(text).print(), text)
    } catch (error) {
      if (!(error instanceof CfgSyntaxError)) throw error
      const { offset, line, column } = error.position
      const before = text.slice(0, offset).split("\n")
      t.deepEqual([line, column], [before.length, before.at(-1)!.length + 1], JSON.stringify(text))
    }
  }
})
