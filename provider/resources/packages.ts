import { createHash } from "node:crypto"
import { planHold, planHoldRemoval } from "../host/boot/hold.ts"
import { readFacts } from "../host/facts/probe.ts"
import { type HostFacts, type Refusal, refusal } from "../host/index.ts"
import { inquireAvailable, refuseUnknownXen, refuseXenToCome } from "../host/packages/available.ts"
import { expectedPackages } from "../host/packages/offers.ts"
import { planPackages, planPackagesRemoval } from "../host/packages/plan.ts"
import { recordOf } from "../host/packages/record.ts"
import { refusePackages } from "../host/packages/refusals.ts"
import { packageTool } from "../host/packages/tools.ts"
import type { PackagesWanted } from "../host/packages/wanted.ts"
import { RECORDS } from "../host/records.ts"
import {
  choice,
  type Field,
  type Fields,
  type Known,
  list,
  madeFrom,
  map,
  type Partly,
  text,
} from "../rpc/declare.ts"
import { type Context, defineResource } from "../rpc/resource.ts"
import type { Hosts } from "./connection.ts"
import { given } from "./given.ts"
import { changeHost, type HostChange } from "./hostChange.ts"
import { driftChange, lookForDrift, previewHost } from "./hostLook.ts"
import { parseImportId } from "./importId.ts"
import { checkRepositories, openDirectories } from "./packagesDirectories.ts"
import { type Directories, type Inputs, inputs, namesOf, wantedOf } from "./packagesInputs.ts"
import { unlisted } from "./packagesOffered.ts"

// A repository's address may hold a password, and none of these tells it.
const made = <T>(field: Field<T, true>) => madeFrom(["xen", "packages", "files"], field)
const outputs = {
  manager: made(choice("the host's package tool", ["apt", "dnf", "yum", "zypper"])),
  versions: made(map("installed versions of what is wanted, by name", text("version"))),
  added: made(
    list("every package that was added, with what came along: just these are removed", text("name")),
  ),
  drift: made(list("what has to be done for the packages to be as wanted again", text("step"))),
} as const satisfies Fields

type Outputs = Known<typeof outputs>

const nameList = {
  pattern: /[A-Za-z0-9][A-Za-z0-9+._-]*(,[A-Za-z0-9][A-Za-z0-9+._-]*)*/,
  says: "names of packages with commas between them",
}

/** A slow mirror, and another package manager that holds its lock, take their time. */
const slowMirrors = 60

/** Two resources are two sets; the same one finds its own again, also what a killed run has left. */
function setId(urn: string): string {
  const name = urn
    .split("::")
    .at(-1)!
    .replace(/[^A-Za-z0-9]+/g, "-")
    .slice(0, 40)
  return `${name}-${createHash("sha256").update(urn).digest("hex").slice(0, 8)}`
}

/** The steps to the set that is asked for, and what is in the way of them: for the runbook. */
export function planOfPackages(id: string, from: Inputs, directories: Directories) {
  const { refusals, plan } = making(id, from, directories)
  return { refusals, plan }
}

function making(id: string, from: Inputs, directories?: Directories): HostChange {
  const wanted = (facts: HostFacts) => wantedOf(id, from, facts, directories)
  return {
    probe: { packages: namesOf(from) },
    refusals: facts => [
      ...refusePackages(facts, wanted(facts)),
      ...refuseShared(facts, wanted(facts)),
      ...(from.xen ? [...refuseUnknownXen(facts), ...refuseXenToCome(facts)] : []),
    ],
    // What a new repository offers is known once it is there: the step that adds it asks.
    inquire: async (host, facts, context) => {
      const { fromHost } = expectedPackages(facts, wanted(facts))
      const asked = { signal: context.signal, onStatus: (text: string) => context.progress(text) }
      const { refusals, ...known } = await inquireAvailable(host, facts, fromHost, asked)
      // The lists that were fetched are not those of what is added yet.
      const isPlain = from.repositories.length === 0 && from.files.length === 0
      return isPlain ? { refusals, ...known } : { refusals }
    },
    plan: facts => planPackages(facts, wanted(facts), from.xen ? planHold(facts) : []),
    missing: facts => planPackages(facts, wanted(facts)).map(({ title }) => title),
  }
}

/** A repository of the same name that another set has added would be rewritten, and removed with the first of the two. */
function refuseShared(facts: HostFacts, { id, repositories = [] }: PackagesWanted): Refusal[] {
  const { manager } = facts.packages
  if (manager === undefined) return []
  const others = Object.keys(facts.files).flatMap(path => {
    const other = new RegExp(`^${RECORDS}/packages/([^/]+)\\.json$`).exec(path)?.[1]
    return other === undefined || other === id ? [] : [{ other, files: recordOf(facts, other)?.files ?? [] }]
  })
  return repositories.flatMap(repository => {
    const path = packageTool(manager).repositoryPath(repository.name)
    const owner = others.find(({ files }) => files.includes(path))
    return owner
      ? [
          refusal(
            "foreign-file",
            `The repository ${repository.name} was added by another set of packages (${owner.other}).`,
            "Give this one another name, or add it in one place only.",
          ),
        ]
      : []
  })
}

function removing(id: string, xen: boolean): HostChange {
  const plan = (facts: HostFacts) => [
    ...planPackagesRemoval(facts, id),
    ...(xen ? planHoldRemoval(facts) : []),
  ]
  return { refusals: () => [], plan, missing: facts => plan(facts).map(({ title }) => title) }
}

function describe(facts: HostFacts, id: string, from: Inputs, drift: readonly string[]): Outputs {
  const { packages = [], files = [] } = wantedOf(id, from, facts)
  const versions = [...packages, ...files].flatMap(({ name }) => {
    const installed = facts.packages.installed[name]
    return installed === undefined ? [] : [[name, installed] as const]
  })
  const added = facts.files[`${RECORDS}/packages/${id}.added`]?.split("\n").filter(name => name !== "")
  // Without a package tool the set was refused.
  return {
    manager: facts.packages.manager!,
    versions: Object.fromEntries(versions),
    added: added ?? [],
    drift,
  }
}

/** A set of packages on a host, with the repositories that they come from. */
export function packages(hosts: Hosts) {
  async function ensure(id: string, from: Inputs, context: Context<Outputs>): Promise<Outputs> {
    const host = await hosts.connect(from.connection, context)
    const begin = (facts: HostFacts) => context.exists(id, describe(facts, id, from, []))
    const change = making(id, from, await openDirectories(from))
    const facts = await changeHost(host, { ...change, begin }, context)
    return describe(facts, id, from, [])
  }

  return defineResource({
    description:
      "Packages on a host by apt, dnf, yum or zypper, with their repositories; it removes just what it added.",
    inputs,
    outputs,
    defaultTimeout: slowMirrors,

    async check(from, { unknown }) {
      return unknown.has("repositories") ? {} : checkRepositories(from.repositories)
    },

    drift: state => driftChange(state.outputs),

    async preview(news: Partly<Inputs>, context, state): Promise<Partial<Outputs>> {
      if (!isKnown(news)) return {}
      const id = setId(context.urn)
      const directories = await openDirectories(news)
      const change = making(id, news, directories)
      const found = await previewHost(hosts, news.connection, change, context)
      if (found?.plan.length === 0) return describe(found.facts, id, news, [])
      if (found) {
        const { host, facts } = found
        const names = await unlisted(host, facts, wantedOf(id, news, facts, directories), context.signal)
        if (names.length > 0)
          context.log(
            "warning",
            `the lists that ${host.name} has of its package repositories do not know ${names.join(", ")}: ` +
              "they are fetched anew before anything is changed, and where they still do not, that is refused",
          )
      }
      return given({ manager: found?.facts.packages.manager ?? state?.outputs.manager })
    },

    async create(from, context) {
      const id = setId(context.urn)
      return { id, outputs: await ensure(id, from, context) }
    },

    update: (id, _state, from, context) => ensure(id, from, context),

    async read(id, state, context) {
      const host = await hosts.connect(state.inputs.connection, context)
      const { facts, drift } = await lookForDrift(host, making(id, state.inputs), context)
      return { inputs: state.inputs, outputs: describe(facts, id, state.inputs, drift) }
    },

    // A set's id comes from its URN: who imports under the name that a set had finds what that set has added.
    async import(importId, context) {
      const { connection, name } = parseImportId(importId, "packages", nameList)
      const names = name.split(",")
      const host = await hosts.connect(connection, context)
      const facts = await readFacts(host, { packages: names, signal: context.signal })
      const absent = names.filter(one => facts.packages.installed[one] === undefined)
      if (absent.length > 0)
        throw new Error(
          `${host.name} has not installed ${absent.join(", ")}: import what is there, or have it installed by an update`,
        )
      const id = setId(context.urn)
      const found = names.map(one => (facts.packages.held.includes(one) ? { name: one, hold: true } : one))
      const taken = { connection, xen: false, packages: found, repositories: [], files: [] }
      return { id, inputs: taken, outputs: describe(facts, id, taken, []) }
    },

    async delete(id, state, context) {
      const host = await hosts.connect(state.inputs.connection, context)
      await changeHost(host, removing(id, state.inputs.xen), context)
    },
  })
}

/** Whether a preview knows all of the set: a list with an unknown item cannot be planned. */
function isKnown(news: Partly<Inputs>): news is Inputs {
  const lists = [news.packages, news.repositories, news.files]
  // While something of a repository is unknown, nobody has looked into its directory.
  const looked = news.repositories?.every(one => !one?.directory || one.contents)
  return (
    news.connection !== undefined &&
    lists.every(items => items?.every(item => item !== undefined)) &&
    looked === true
  )
}
