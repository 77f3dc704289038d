import test from "ava"
import { MissingGenerationError } from "../../../provider/host/domain/errors.ts"
import { type DomainPlan, type DomainStep, planDomain } from "../../../provider/host/domain/plan.ts"
import type { DomainWanted } from "../../../provider/host/domain/wanted.ts"
import { configuration, facts, generationName, type Host, stored, texts, wanted } from "./facts.ts"

const { one, two, three } = texts

/** Which generation is meant, in the words of these tables. */
const versions = new Map(
  Object.entries(texts).map(([version]) => [generationName(version as keyof typeof texts), version]),
)
const version = (generation: string): string => versions.get(generation) ?? generation

/** A plan, one word or two a step. */
function told({ steps }: DomainPlan): string[] {
  return steps.map(step => {
    switch (step.do) {
      case "record":
      case "commit":
      case "watch":
        return `${step.do} ${version(step.generation.generation)}`
      case "start":
      case "gate":
        return `${step.do} ${version(step.generation.generation)}${step.staged ? " staged" : ""}`
      case "restage":
        return `restage ${version(step.generation.generation)}`
      case "switch":
        return `switch ${step.from ? `${version(step.from.generation.generation)} ` : ""}to ${version(step.to.generation)}`
      case "discard":
      case "stop":
        return `${step.do} ${step.domain.name.replace(/[0-9a-f]{12}$/, version)}`
      case "change":
        return `change ${step.xl.map(words => words.join(" ")).join(", ")}`
      case "place":
        return `place on ${step.bridge}`
      case "prune":
        return `prune ${step.generations.map(({ generation }) => version(generation)).join(" ")}`
      default:
        return step.do satisfies DomainStep["do"]
    }
  })
}

const apart = (name: string) => ["stage", `start ${name} staged`, `gate ${name} staged`]
const servesOne: Host = { store: [one], current: one, history: [one], runs: [{ text: one }] }

const plans: [situation: string, host: Host, wish: DomainWanted, way: DomainPlan["way"], steps: string[]][] =
  [
    ["nothing is there", {}, wanted(), "create", [...apart("one"), "switch to one", "unstage"]],
    [
      "nothing is there, and no address is known",
      {},
      wanted(one, { addresses: [] }),
      "create",
      ["start one", "gate one", "commit one"],
    ],
    ["all is as wanted", servesOne, wanted(), "none", []],
    [
      "another kernel is wanted",
      servesOne,
      wanted(two),
      "swap",
      [...apart("two"), "switch one to two", "watch two", "discard www", "unstage"],
    ],
    [
      "another kernel is wanted, by a new start",
      servesOne,
      wanted(two, { strategy: "recreate" }),
      "recreate",
      ["stop www", "start two", "gate two", "commit two"],
    ],
    [
      "another kernel is wanted, and memory does not do for both",
      { ...servesOne, freeMemory: 30 },
      wanted(two),
      "recreate",
      ["stop www", "start two", "gate two", "commit two"],
    ],
    [
      "more memory is wanted, within what it can get",
      servesOne,
      wanted(configuration({ memory: 48 })),
      "live",
      [
        `record ${stored(configuration({ memory: 48 })).generation}`,
        "change mem-set 48m",
        `commit ${stored(configuration({ memory: 48 })).generation}`,
      ],
    ],
    [
      "what xl only keeps for the next start is wanted otherwise",
      servesOne,
      wanted(configuration({ on_crash: "destroy" })),
      "live",
      [
        `record ${stored(configuration({ on_crash: "destroy" })).generation}`,
        `commit ${stored(configuration({ on_crash: "destroy" })).generation}`,
      ],
    ],
    [
      "a run was killed before it wrote the generation",
      { ...servesOne, next: two },
      wanted(two),
      "swap",
      [...apart("two"), "switch one to two", "watch two", "discard www", "unstage"],
    ],
    [
      "a run was killed after it had started the new one",
      { ...servesOne, store: [one, two], next: two, runs: [{ text: one }, { text: two }] },
      wanted(two),
      "swap",
      ["stage", "restage two", "gate two staged", "switch one to two", "watch two", "discard www", "unstage"],
    ],
    [
      "a run was killed after it had started the new one, which has crashed since",
      {
        ...servesOne,
        store: [one, two],
        next: two,
        runs: [{ text: one }, { text: two, activity: "crashed" }],
      },
      wanted(two),
      "swap",
      ["discard www.two", ...apart("two"), "switch one to two", "watch two", "discard www", "unstage"],
    ],
    [
      "a run was killed after it had started the new one, and yet another is wanted",
      { ...servesOne, store: [one, two], next: two, runs: [{ text: one }, { text: two }] },
      wanted(three),
      "swap",
      [
        "discard www.two",
        ...apart("three"),
        "switch one to three",
        "watch three",
        "discard www",
        "unstage",
        "prune two",
      ],
    ],
    [
      "a run was killed after it had started the new one, and the old one is wanted again",
      { ...servesOne, store: [one, two], next: two, runs: [{ text: one }, { text: two }] },
      wanted(one),
      "none",
      ["gate one", "commit one", "discard www.two", "unstage", "prune two"],
    ],
    [
      "a run was killed in the time of probation",
      {
        store: [one, two],
        current: two,
        history: [one, two],
        staging: true,
        runs: [{ text: two }, { text: one, standing: "aside" }],
      },
      wanted(two),
      "none",
      ["watch two", "discard www.one", "unstage"],
    ],
    [
      "a run was killed in the time of probation, and the old one is wanted again",
      {
        store: [one, two],
        current: two,
        history: [one, two],
        staging: true,
        runs: [{ text: two }, { text: one, standing: "aside" }],
      },
      wanted(one),
      "swap",
      ["stage", "restage one", "gate one staged", "switch two to one", "watch one", "discard www", "unstage"],
    ],
    [
      "a run was killed before it took the staging bridge away",
      { ...servesOne, staging: true },
      wanted(one),
      "none",
      ["unstage"],
    ],
    [
      "a run was killed between the stop and the start of a new start",
      { store: [one, two], current: one, next: two, history: [one] },
      wanted(two, { strategy: "recreate" }),
      "create",
      ["start two", "gate two", "commit two"],
    ],
    [
      "a run was killed before it committed a new start",
      {
        store: [one, two],
        current: one,
        next: two,
        history: [one],
        runs: [{ text: two, standing: "serving" }],
      },
      wanted(two, { strategy: "recreate" }),
      "live",
      ["change rename www", "gate two", "commit two"],
    ],
    [
      "it has crashed",
      { ...servesOne, runs: [{ text: one, activity: "crashed" }] },
      wanted(),
      "create",
      ["discard www", ...apart("one"), "switch to one", "unstage"],
    ],
    [
      "it is gone",
      { ...servesOne, runs: [] },
      wanted(),
      "create",
      [...apart("one"), "switch to one", "unstage"],
    ],
    [
      "it is paused",
      { ...servesOne, runs: [{ text: one, activity: "paused" }] },
      wanted(),
      "live",
      ["change unpause"],
    ],
    [
      "it is named otherwise",
      { ...servesOne, runs: [{ text: one, name: "mine" }] },
      wanted(),
      "live",
      ["change rename www"],
    ],
    [
      "it is off its bridge",
      { ...servesOne, runs: [{ text: one, standing: "aside" }] },
      wanted(),
      "live",
      ["place on xenbr0"],
    ],
    [
      "its memory was changed by hand",
      {
        ...servesOne,
        runs: [
          {
            text: one,
            details: {
              c_info: { type: "pvh" },
              b_info: { target_memkb: 40960, max_memkb: 65536, kernel: "/k" },
            },
          },
        ],
      },
      wanted(),
      "live",
      ["change mem-set 32768k"],
    ],
    [
      "it runs another kernel",
      {
        ...servesOne,
        runs: [
          {
            text: one,
            details: {
              c_info: { type: "pvh" },
              b_info: { target_memkb: 32768, max_memkb: 65536, kernel: "/mine" },
            },
          },
        ],
      },
      wanted(),
      "recreate",
      ["stop www", "start one", "gate one", "commit one"],
    ],
    [
      "an earlier generation is wanted by its name",
      { store: [one, two], current: two, history: [one, two], runs: [{ text: two }] },
      wanted(two, { generation: generationName("one"), configuration: undefined }),
      "swap",
      [...apart("one"), "switch two to one", "watch one", "discard www", "unstage"],
    ],
    [
      "more generations are kept than are wanted",
      { store: [one, two, three], current: three, history: [one, two, three], runs: [{ text: three }] },
      wanted(three, { keep: 2 }),
      "none",
      ["prune one"],
    ],
  ]
for (const [situation, host, wish, way, steps] of plans) {
  test(`${situation}: ${steps.length > 0 ? steps.join(", ") : "nothing is done"}`, t => {
    const plan = planDomain(facts(host), wish)
    t.deepEqual(told(plan), steps)
    t.is(plan.way, way)
  })
}

test("what is planned is the same whatever order the host lists its domains in", t => {
  for (const [, host, wish] of plans) {
    const observed = facts(host)
    const turned = { ...observed, own: [...observed.own].reverse(), domains: [...observed.domains].reverse() }
    t.deepEqual(new Set(told(planDomain(turned, wish))), new Set(told(planDomain(observed, wish))))
  }
})

test("a generation takes no UUID that still runs: one that was handed on by a live change", t => {
  const grown = configuration({ memory: 48 })
  const uuid = stored(one).uuid!
  const host = facts({
    store: [one, grown],
    current: grown,
    history: [one, grown],
    runs: [{ text: grown, uuid }],
  })
  const store = host.store!
  const handed = stored(grown, uuid)
  const generations = new Map([
    ...store.generations,
    [handed.generation, { ...handed, baseline: host.own[0]!.details }],
  ])
  const ports = host.network.links.map(link => ({
    ...link,
    name: link.name.replace(stored(grown).uuid!.slice(0, 8), uuid.slice(0, 8)),
  }))
  const observed = { ...host, store: { ...store, generations }, network: { ...host.network, links: ports } }
  const back = planDomain(observed, wanted(one))
  t.is(back.way, "live")
  t.is(back.target.uuid, uuid)
  const plan = planDomain(observed, wanted(configuration({ memory: 48, vif: [] }), { addresses: [] }))
  t.is(plan.way, "recreate")
  t.not(plan.target.uuid, uuid)
})

test("a generation that the store does not have is named with those that it has", t => {
  const error = t.throws(
    () => planDomain(facts(servesOne), wanted(one, { generation: "0123456789ab", configuration: undefined })),
    { instanceOf: MissingGenerationError },
  )
  t.deepEqual(error!.kept, [generationName("one")])
})

test("what was imported is taken over as it runs, and becomes its first generation", t => {
  const uuid = "7b0e2f4a-1111-4222-8333-0123456789ab"
  const details = {
    c_info: { type: "pvh", name: "www" },
    b_info: {
      target_memkb: 32768,
      max_memkb: 32768,
      max_vcpus: 1,
      avail_vcpus: [0],
      kernel: "/root/hello.xen",
    },
    nics: [{ mac: "00:16:3e:00:00:01", bridge: "xenbr0" }],
  }
  const text = configuration({ kernel: "/root/hello.xen", maxmem: undefined as never })
  const domain = { id: 5, name: "www", uuid, memory: 32, vcpus: 1, activity: "running" as const, details }
  const links = [
    { name: "xenbr0", kind: "bridge" },
    { name: "vif5.0", controller: "xenbr0" },
  ]
  const observed = { ...facts({}), own: [domain], domains: [domain], network: { links, routes: [] } as never }
  t.deepEqual(told(planDomain(observed, wanted(text, { uuid }))), [`record ${stored(text).generation}`])
  const plan = planDomain(observed, wanted(two, { uuid }))
  t.deepEqual(told(plan).slice(0, 2), [`record ${stored(text).generation}`, "stage"])
  t.is(plan.way, "swap")
})
