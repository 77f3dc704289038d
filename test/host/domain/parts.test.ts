import { readFileSync } from "node:fs"
import test from "ava"
import fc from "fast-check"
import { configOf, generate, parse } from "xlcfg"
import { memoryFor, portsOf } from "../../../provider/host/domain/devices.ts"
import { domainDrift } from "../../../provider/host/domain/drift.ts"
import { configOfDetails } from "../../../provider/host/domain/import.ts"
import { liveChanges, savedChanges } from "../../../provider/host/domain/live.ts"
import { MemoryLedger } from "../../../provider/host/domain/memory.ts"
import {
  domainName,
  generationOf,
  portName,
  stagedName,
  uuidOf,
} from "../../../provider/host/domain/names.ts"
import { parseDomainFacts } from "../../../provider/host/domain/observe.ts"
import { planDomain } from "../../../provider/host/domain/plan.ts"
import { refuseDomain, refuseDomainHost } from "../../../provider/host/domain/refusals.ts"
import { startedAs, withoutIdentity } from "../../../provider/host/domain/wanted.ts"
import { parseDetails, parseList } from "../../../provider/host/domain/xl.ts"
import { configuration, facts, stored, texts, urn, wanted } from "./facts.ts"

const config = (text: string) => configOf(parse(text))

// --- names ---------------------------------------------------------------------------------------------------------

const names: [name: string, good: boolean][] = [
  ["www", true],
  ["www.example.org", true],
  ["A-1_b", true],
  ["42", false],
  ["Domain-0", false],
  ["www.0123456789ab", false],
  ["../etc", false],
  ["a b", false],
  ["", false],
  ["-x", false],
  ["x".repeat(49), false],
]
for (const [name, good] of names) {
  test(`${JSON.stringify(name)} is ${good ? "a" : "no"} domain's name`, t => {
    t.is(new RegExp(`^(?:${domainName.pattern.source})$`).test(name), good)
  })
}

test("UUIDs and port names fit, are well formed, and are the same in every run", t => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.nat(3), (owner, text, attempt) => {
      const uuid = uuidOf(owner, generationOf(text), attempt)
      return (
        /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(uuid) &&
        portName(uuid, 31).length <= 15 &&
        uuid === uuidOf(owner, generationOf(text), attempt)
      )
    }),
  )
  t.not(uuidOf(urn, "a", 0), uuidOf(urn, "a", 1))
  t.not(uuidOf(urn, "a"), uuidOf(`${urn}2`, "a"))
})

test("a disk's content is part of a generation where its path is not", t => {
  t.not(generationOf("text", ["a"]), generationOf("text", ["b"]))
  t.is(generationOf("text", ["a"]), generationOf("text", ["a"]))
})

test("what a generation is started with leads back to its configuration", t => {
  for (const text of Object.values(texts)) {
    const started = startedAs("0123456789ab", config(text), uuidOf(urn, "x"))
    t.is(generate(withoutIdentity(started.config!)), text)
    t.deepEqual(portsOf(started.config), [
      { vif: portName(uuidOf(urn, "x"), 0), bridge: "xenbr0", mac: "00:16:3e:00:00:01" },
    ])
  }
})

// --- live changes --------------------------------------------------------------------------------------------------

const grown = { memory: 32, maxmem: 64, vcpus: 1, maxvcpus: 4 }
const [first, second] = [
  { mac: "00:16:3e:00:00:01", bridge: "xenbr0" },
  { mac: "00:16:3e:00:00:02", bridge: "xenbr1" },
]
const changes: [
  what: string,
  from: object,
  to: object,
  expected: readonly (readonly string[])[] | undefined,
][] = [
  ["nothing", {}, {}, []],
  ["memory within an equal maxmem", grown, { ...grown, memory: 48 }, [["mem-set", "48m"]]],
  ["memory without maxmem", { maxmem: undefined }, { maxmem: undefined, memory: 48 }, undefined],
  ["maxmem", grown, { ...grown, maxmem: 128 }, undefined],
  [
    "virtual CPUs within an equal maxvcpus",
    grown,
    { ...grown, vcpus: 3 },
    [["vcpu-set", "--ignore-host", "3"]],
  ],
  ["virtual CPUs without maxvcpus", { vcpus: 1 }, { vcpus: 2 }, undefined],
  [
    "both",
    grown,
    { ...grown, memory: 40, vcpus: 2 },
    [
      ["vcpu-set", "--ignore-host", "2"],
      ["mem-set", "40m"],
    ],
  ],
  ["what is saved for the next start", {}, { on_crash: "restart", on_reboot: "destroy" }, []],
  [
    "an interface more",
    {},
    { vif: [first, second] },
    [["network-attach", "mac=00:16:3e:00:00:02", "bridge=xenbr1"]],
  ],
  ["an interface less", { vif: [first, second] }, { vif: [first] }, undefined],
  ["another interface first", {}, { vif: [second, first] }, undefined],
  ["another bridge", {}, { vif: [{ ...first, bridge: "xenbr1" }] }, undefined],
  ["another kernel", {}, { kernel: "/k" }, undefined],
  ["other arguments", {}, { extra: "--x" }, undefined],
  ["a disk", {}, { disk: [{ vdev: "xvda", target: "/d" }] }, undefined],
  ["memory and another kernel", grown, { ...grown, memory: 48, kernel: "/k" }, undefined],
]
for (const [what, from, to, expected] of changes) {
  test(`${what}: ${expected === undefined ? "needs a new start" : `${expected.map(words => words.join(" ")).join(", ") || "nothing"} on the running domain`}`, t => {
    t.deepEqual(liveChanges(config(configuration(from)), config(configuration(to))), expected)
  })
}

test("port names and UUIDs make no difference, and a new interface comes with its own", t => {
  const [from, to] = [
    stored(configuration(), "11111111-1111-8111-8111-111111111111"),
    stored(configuration({ vif: [first, second] }), "22222222-1111-8111-8111-111111111111"),
  ]
  t.deepEqual(liveChanges(from.config!, to.config!), [
    ["network-attach", "mac=00:16:3e:00:00:02", "bridge=xenbr1", "vifname=v22222222.1"],
  ])
  t.deepEqual(savedChanges(config(configuration()), config(configuration({ on_crash: "restart" }))), [
    "on_crash",
  ])
})

// --- what xl says ----------------------------------------------------------------------------------------------------

const fixture = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8")

test("xl's list: names, numbers and what each domain does", t => {
  const row = (name: string, id: number, state: string) =>
    `${name.padEnd(40)} ${String(id).padStart(5)}    32     1     ${state}       0.1 7b0e2f4a-1111-4222-8333-0123456789${String(id).padStart(2, "0")}        -                -`
  const states: [state: string, activity: string][] = [
    ["r-----", "running"],
    ["-b----", "running"],
    ["-bp---", "paused"],
    ["---s--", "shutdown"],
    ["--ps--", "shutdown"],
    ["---sc-", "crashed"],
    ["--psw-", "crashed"],
    ["---sr-", "shutdown"],
    ["-b---d", "dying"],
    ["---scd", "dying"],
    ["------", "running"],
  ]
  const text = states.map(([state], index) => row(`a name ${index}`, index + 1, state)).join("\n")
  t.deepEqual(
    parseList(`Name ID Mem VCPUs\n${row("Domain-0", 0, "r-----")}\n${text}`).map(({ name, activity }) => [
      name,
      activity,
    ]),
    states.map(([, activity], index) => [`a name ${index}`, activity]),
  )
})

test("a domain that the real xl lists is read, and its configuration is one that starts the same domain", t => {
  const [domain] = parseList(fixture("list-v"))
  t.like(domain, {
    name: "www.abcdef012345",
    id: 1,
    uuid: "7b0e2f4a-1111-4222-8333-0123456789ab",
    activity: "running",
  })
  const details = parseDetails(fixture("list-l"))
  const read = configOfDetails(details.get(1)!)
  t.is(
    generate(read),
    `name = "www.abcdef012345"
type = "pvh"
on_crash = "preserve"
kernel = "/root/hello.xen"
extra = "--ipv4=10.0.2.20/24 --ipv4-gateway=10.0.2.2"
vcpus = 1
maxvcpus = 2
memory = 32
maxmem = 64
vif = [ "mac=00:16:3e:11:22:33,bridge=xs12345678" ]
`,
  )
})

test("answers of xl that are cut off, or no JSON, count as no answer", t => {
  const whole = fixture("list-l")
  t.is(parseDetails(whole.slice(0, whole.length / 2)).size, 0)
  t.is(parseDetails("libxl: error\n").size, 0)
  t.is(parseDetails(`${whole}\n${whole}`).size, 2)
  fc.assert(fc.property(fc.string(), text => parseDetails(text).size === 0 || text.includes("domid")))
})

test("what was observed is read whole, or refused as cut off", t => {
  const mark = "== x"
  const section = (name: string, text: string) => `\n${mark} ${name}\n${text}`
  const generation = stored(texts.one)
  const output = [
    section("capabilities", "control_d"),
    section(
      "info",
      "total_memory           : 4095\nfree_memory            : 2976\nvirt_caps              : pv hvm hap\n",
    ),
    section("domains", fixture("list-v").replace(/7b0e2f4a\S*/, generation.uuid!)),
    section("details", fixture("list-l")),
    section("store", ""),
    section("file owner", `${urn}\n`),
    section("file history", `${generation.generation} 2026-01-01T00:00:00Z ${generation.sha256}\n`),
    section("link current", `${generation.generation}.cfg\n`),
    section("link next", ""),
    section(`text ${generation.generation}.cfg`, generation.text),
    section(`text ${generation.generation}.json`, fixture("list-l-www")),
    section("text 0123456789ab.cfg", "no configuration {"),
    section(
      "digests",
      `${generation.sha256}  /var/lib/pulumi-xen/domains/www/${generation.generation}.cfg\n`,
    ),
    section("addresses", "[]"),
    section("answers", `${"a".repeat(64)} kernel /k with blank\nyes file /dev/vg/a\n`),
    section("end", ""),
  ].join("")
  const seen = parseDomainFacts("h", mark, "www", output)
  t.like(seen.xen, { usable: true, freeMemory: 2976, virtCaps: ["pv", "hvm", "hap"] })
  t.is(seen.own[0]?.uuid, generation.uuid)
  t.like(seen.store, { owner: urn, current: generation.generation })
  t.false("next" in seen.store!)
  t.like(seen.store?.generations.get(generation.generation), {
    ...{ text: generation.text, sha256: generation.sha256, uuid: generation.uuid },
    baseline: { c_info: { type: "pvh" } },
  })
  t.is(seen.store?.generations.get("0123456789ab")?.config, undefined)
  t.is(seen.kernels.get("/k with blank"), "a".repeat(64))
  t.true(seen.files.has("/dev/vg/a"))
  t.throws(() => parseDomainFacts("h", mark, "www", output.slice(0, -10)), { message: /not whole/ })
})

test("a host without Xen, or whose toolstack does not answer, is refused with what it said", t => {
  const seen = (sections: string) =>
    parseDomainFacts("h", "== x", "www", `${sections}\n== x addresses\n[]\n== x end\n`)
  const says = (sections: string) => refuseDomainHost(seen(sections), wanted()).map(({ problem }) => problem)
  t.deepEqual(says(""), ["There can be no domain: it does not run Xen, or this is not its control domain."])
  t.deepEqual(says("\n== x capabilities\ncontrol_d"), ["There can be no domain: xl is not installed."])
  t.deepEqual(says("\n== x capabilities\ncontrol_d\n== x info\nxencall: error: cannot open"), [
    "There can be no domain: xencall: error: cannot open.",
  ])
})

// --- memory and kinds --------------------------------------------------------------------------------------------------

test("memory is that of the guest and of Xen's tables for it", t => {
  t.is(memoryFor({ name: "a", type: "pv", memory: 32 }), 33)
  t.is(memoryFor({ name: "a", type: "pvh", memory: 32 }), 32 + 1 + 1 + 1)
  t.is(memoryFor({ name: "a", type: "pvh", memory: 1024, maxmem: 2048, vcpus: 4 }), 1024 + 4 + 16 + 1)
  t.is(memoryFor({ name: "a", type: "pvh", memory: 16, shadow_memory: 2 }), 19)
})

test("a preview that is made twice counts a domain once, and a new start counts what is stopped for it", t => {
  const ledger = new MemoryLedger()
  const host = facts({ freeMemory: 100 })
  const plan = (name: string, memory: number) =>
    planDomain(host, wanted(configuration({ name, memory, maxmem: memory })))
  t.deepEqual(ledger.account("h", "a", host, plan("a", 60)), [])
  t.deepEqual(ledger.account("h", "a", host, plan("a", 60)), [])
  t.deepEqual(ledger.account("other", "b", host, plan("b", 60)), [])
  t.is(ledger.account("h", "b", host, plan("b", 60)).length, 1)
  t.deepEqual(ledger.account("h", "b", host, plan("b", 20)), [])
})

test("a kind of guest that the host cannot run is refused with what it can", t => {
  const old = { ...facts({}), xen: { usable: true, totalMemory: 4096, freeMemory: 2000, virtCaps: ["pv"] } }
  const plan = planDomain(old, wanted())
  t.like(
    refuseDomain(old, wanted(), plan, true).find(({ code }) => code === "kernel-kind"),
    { problem: "It is a pvh domain, and this host can run pv." },
  )
})

// --- drift -------------------------------------------------------------------------------------------------------------

test("arguments that were changed by hand are told without their text, which may hold secrets", t => {
  const details = {
    c_info: { type: "pvh" },
    b_info: { target_memkb: 32768, max_memkb: 65536, kernel: "/k", cmdline: "--key=hunter2" },
  }
  const seen = facts({
    store: [texts.one],
    current: texts.one,
    history: [texts.one],
    runs: [{ text: texts.one, details }],
  })
  const drift = domainDrift("www", stored(texts.one).generation, seen)
  t.is(drift.length, 1)
  t.notRegex(drift.join(), /hunter2/)
})

test("a generation that serves in the place of the one that the state knows is told by both names", t => {
  const seen = facts({
    store: [texts.one, texts.two],
    current: texts.two,
    history: [texts.one, texts.two],
    runs: [{ text: texts.two }],
  })
  const [one, two] = [stored(texts.one).generation, stored(texts.two).generation]
  t.deepEqual(domainDrift("www", one, seen), [`generation ${two} serves instead of ${one}`])
  t.deepEqual(domainDrift("www", two, seen), [])
})

test("the staged name of a domain is no domain's own", t => {
  t.is(stagedName("www", "0123456789ab"), "www.0123456789ab")
})
