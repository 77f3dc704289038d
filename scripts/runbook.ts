import { readdirSync } from "node:fs"
import { parseArgs } from "node:util"
import { partsOf, type XenHostArgs } from "../components/xenHost.ts"
import { labHosts } from "../hosts/lab.ts"
import { readFacts } from "../provider/host/facts/probe.ts"
import {
  type Chapter,
  type HostFacts,
  type RefusalCode,
  refuseBridge,
  refuseDom0,
  runbook,
} from "../provider/host/index.ts"
import { planOfBridge } from "../provider/resources/bridge.ts"
import { type Inputs as BridgeInputs, wantedOf as bridgeWanted } from "../provider/resources/bridgeInputs.ts"
import { type ConnectionInput, Hosts } from "../provider/resources/connection.ts"
import { planOfDom0 } from "../provider/resources/dom0.ts"
import { type Inputs as Dom0Inputs, wantedOf as dom0Wanted } from "../provider/resources/dom0Inputs.ts"
import { planOfPackages } from "../provider/resources/packages.ts"
import { namesOf } from "../provider/resources/packagesInputs.ts"
import { bareAssumptions, bareFacts, bareUnknowns } from "./runbook/bare.ts"
import { checked, checkedPackages } from "./runbook/checked.ts"
import { afterBridge, afterPackages } from "./runbook/installed.ts"
import { isUsage, UsageError } from "./stack/script.ts"

const usage = `Usage: npm run runbook -- HOST [--bare]

Prints, as Markdown, what would be done to a host of the inventory (hosts/, and the labs that are up) to make it a Xen
host: the very steps that \`pulumi up\` takes. The host is asked for its facts; with --bare it is taken for a machine as it
was rented, with Debian 12, GRUB and ifupdown. Nothing is changed.`

/** Every host of the inventory by name: what the files of hosts/ export, and the labs that are up. */
async function inventory(): Promise<Record<string, XenHostArgs>> {
  const folder = new URL("../hosts/", import.meta.url)
  const files = readdirSync(folder).filter(file => file.endsWith(".ts") && file !== "lab.ts")
  const modules = await Promise.all(files.map(file => import(new URL(file, folder).href)))
  return { ...labHosts(), ...Object.assign({}, ...modules) }
}

async function factsOf(connection: ConnectionInput, packages: readonly string[]): Promise<HostFacts> {
  const hosts = new Hosts()
  try {
    const host = await hosts.connect(connection, { signal: AbortSignal.timeout(120_000) })
    return await readFacts(host, { packages })
  } finally {
    await hosts.close()
  }
}

/** The chapters in the order in which the component makes its parts. */
async function chapters(args: XenHostArgs, bare: boolean): Promise<Chapter[]> {
  const parts = partsOf(args)
  const { from, directories } = await checkedPackages(parts.packages)
  const packages = planOfPackages("xen", from, directories)
  const facts = bare ? bareFacts(args) : await factsOf(from.connection, namesOf(from))
  const early = !bare && facts.packages.xen.every(({ installed }) => installed === undefined)
  const later = " (Xen's own files are not there yet: print this chapter again when the packages are)"
  const first = packages.plan(facts)
  let then = bare ? afterPackages(facts, first) : facts
  const bridges: Chapter[] = []
  for (const args of [parts.bridge, ...parts.bridges]) {
    const bridge = bridgeOn(then, await checked("Bridge", args), bare)
    bridges.push({ title: `The bridge ${args.name}`, ...bridge })
    then = afterBridge(then, bridge.plan)
  }
  const dom0 = await checked<Dom0Inputs>("Dom0", parts.dom0)
  return [
    { title: "Packages", plan: first, refusals: packages.refusals(facts) },
    ...bridges,
    {
      title: `Xen and dom0${early ? later : ""}`,
      plan: planOfDom0(dom0, then),
      refusals: bare
        ? []
        : refuseDom0(facts, dom0Wanted(dom0)).filter(({ code }) => !expected.includes(code)),
    },
  ]
}

/** Xen's packages are an earlier chapter; and who has no systemd does it by hand for that very reason. */
const expected: readonly RefusalCode[] = ["no-xen-package", "init"]

/** A machine that was not asked is not judged. */
function bridgeOn(facts: HostFacts, bridge: BridgeInputs, bare: boolean) {
  return {
    plan: planOfBridge(bridge, facts),
    refusals: bare ? [] : refuseBridge(facts, bridgeWanted(bridge)),
  }
}

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({
    options: { bare: { type: "boolean", default: false }, help: { type: "boolean", short: "h" } },
    allowPositionals: true,
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const [name, more] = positionals
  if (name === undefined) throw new UsageError("Name a host.")
  if (more !== undefined) throw new UsageError(`There is no use for ${JSON.stringify(more)}.`)
  const hosts = await inventory()
  if (!Object.hasOwn(hosts, name)) {
    const known = Object.keys(hosts).join(", ")
    console.error(`There is no host ${name} in the inventory. There are: ${known}.`)
    return 1
  }
  const args = hosts[name]!
  const assumed = values.bare ? { unknowns: bareUnknowns(args), assumed: bareAssumptions(args) } : {}
  process.stdout.write(runbook(name, await chapters(args, values.bare), assumed))
  return 0
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  if (isUsage(error)) console.error(`\n${usage}`)
  process.exitCode = isUsage(error) ? 2 : 1
}
