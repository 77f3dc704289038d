import test from "ava"
import fc from "fast-check"
import {
  configOf,
  type DomainConfig,
  format,
  generate,
  type Literal,
  parse,
  type Value,
  ValueError,
} from "../src/index.ts"
import { randomCfg } from "./helpers/cfgs.ts"
import { Random } from "./helpers/random.ts"

const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom("'", '"', "\\", "#", ",", "\n", ";", "]", "\t", "\r", "\x01", "é", "\u{1f40b}"),
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }),
  ),
})
const writable = text.filter(value => value.isWellFormed() && !value.includes("\0"))
const { literal } = fc.letrec<{ literal: Literal }>(tie => ({
  literal: fc.oneof(
    { maxDepth: 4 },
    writable,
    fc.nat(),
    fc.integer(),
    fc.boolean(),
    fc.array(tie("literal"), { maxLength: 5 }),
  ),
}))
const key = fc.stringMatching(/^[a-z][._0-9a-z]{0,12}$/)

/** What xl reads where a literal was written. */
function seen(value: Literal): Value {
  if (typeof value === "object") return value.map(seen)
  return typeof value === "boolean" ? String(Number(value)) : String(value)
}

test("every value that is written is read back", t => {
  fc.assert(
    fc.property(fc.array(fc.tuple(key, literal), { maxLength: 8 }), settings => {
      let document = parse("# a comment\n")
      for (const [name, value] of settings) document = document.set(name, value)
      for (const [name, value] of new Map(settings))
        t.deepEqual(document.get(name), seen(value), document.print())
    }),
    { numRuns: 2000 },
  )
})

test("an edit changes the one key, whatever the text around it", t => {
  const random = new Random(11)
  let edits = 0
  while (edits < 3000) {
    const before = readable(randomCfg(random))
    if (before === undefined) continue
    const name = random.pick(["name", "vif", "memory", "k", "new.key"])
    const others = (document: typeof before) =>
      [...document.settings].filter(([other]) => other !== name).map(([other, { value }]) => [other, value])
    const after = before.set(name, ["x", "'\"\\\n"])
    t.deepEqual(after.get(name), ["x", "'\"\\\n"])
    t.deepEqual(others(after), others(before), before.text)
    const removed = before.remove(name)
    t.is(removed.get(name), undefined, before.text)
    t.deepEqual(others(removed), others(before), before.text)
    edits++
  }
})

test("the one layout keeps every value and every comment, and is its own layout", t => {
  const random = new Random(12)
  let formatted = 0
  while (formatted < 3000) {
    const before = readable(randomCfg(random))
    if (before === undefined) continue
    const after = format(before)
    const values = (document: typeof before) =>
      [...document.settings].map(([name, { value }]) => [name, value])
    t.deepEqual(values(after), values(before), before.text)
    const comments = (document: typeof before) =>
      document.comments.map(({ start, end }) => document.text.slice(start, end).trim())
    t.deepEqual(comments(after), comments(before), before.text)
    t.is(format(after).print(), after.print(), before.text)
    formatted++
  }
})

function readable(cfg: string) {
  try {
    return parse(cfg)
  } catch {
    return undefined
  }
}

test("a domain that is generated is read back as it was", t => {
  const domains: fc.Arbitrary<DomainConfig> = fc.record(
    {
      name: writable.filter(value => value !== ""),
      type: fc.constantFrom("pv" as const, "pvh" as const),
      memory: fc.integer({ min: 1, max: 1 << 20 }),
      kernel: writable,
      cmdline: writable,
      rtc_timeoffset: fc.integer(),
      nomigrate: fc.boolean(),
      cpus: fc.constantFrom("all", "0-3,^1"),
      cpus_soft: fc.array(fc.constantFrom("all", "0-3,^1"), { minLength: 1 }),
      device_model_args: fc.array(writable),
      vnuma: fc.array(
        fc.record({
          pnode: fc.nat(9),
          size: fc.nat(999),
          vcpus: fc.constant("0-1"),
          vdistances: fc.array(fc.nat(99), { minLength: 1 }),
        }),
      ),
      vif: fc.array(
        fc.record(
          {
            bridge: fc.stringMatching(/^[^,\n\0]+$/).filter(value => value.isWellFormed()),
            mtu: fc.integer({ min: 68, max: 9000 }),
            trusted: fc.boolean(),
          },
          { requiredKeys: [] },
        ),
      ),
    },
    { requiredKeys: ["name"] },
  )
  fc.assert(
    fc.property(domains, domain => {
      const cfg = generate(domain)
      t.deepEqual(configOf(parse(cfg)), domain, cfg)
      t.is(generate(configOf(parse(cfg))), cfg)
    }),
    { numRuns: 2000 },
  )
})

test("keys are written in the table's order, whatever the order given", t => {
  t.is(generate({ memory: 64, kernel: "/k", name: "a" }), generate({ name: "a", kernel: "/k", memory: 64 }))
  t.is(generate({ memory: 64, kernel: "/k", name: "a" }), 'name = "a"\nkernel = "/k"\nmemory = 64\n')
})

for (const [domain, message] of [
  [{}, /name/],
  [{ name: "" }, /name/],
  [{ name: "a", memroy: 1 }, /memroy: xl knows no such key/],
  [{ name: "a", memory: 0 }, /memory: number: 0 is not a whole number from 1/],
  [{ name: "a", memory: 1.5 }, /1\.5/],
  [{ name: "a", type: "pvm" }, /type: value: "pvm" is not one of/],
  [{ name: "a", disk: ["/d"] }, /disk: .*no vdev/],
  [{ name: "a", disk: [{ vdev: "xvda" }] }, /target/],
  [{ name: "a", vif: ["bridge = x"] }, /vif: .*without blanks/],
  [{ name: "a\0" }, /NUL/],
] as const) {
  test(`the domain ${JSON.stringify(domain)} cannot be generated, and the error names the key`, t => {
    t.throws(() => generate(domain as never), { instanceOf: ValueError, message })
  })
}

for (const [cfg, message] of [
  ["memory = 1\n", /name/],
  ["name = 'a'\nmemroy = 1\n", /memroy/],
  ["name = 'a'\nvif = 'x'\n", /vif.*must be a list/],
  ["name = 'a'\ndisk = ['/d']\n", /no vdev/],
] as const) {
  test(`${JSON.stringify(cfg)} is no domain that could be generated`, t => {
    t.throws(() => configOf(parse(cfg)), { instanceOf: ValueError, message })
  })
}
