import { readdirSync } from "node:fs"
import { parseArgs } from "node:util"
import { partsOf, type XenHostArgs } from "../components/xenHost.ts"
import { labHosts } from "../hosts/lab.ts"
import { readFacts } from "../provider/host/facts/probe.ts"
import type { HostFacts, Plan } from "../provider/host/index.ts"
import { runbook } from "../provider/host/runbook/runbook.ts"
import { planOfBridge } from "../provider/resources/bridge.ts"
import { type ConnectionInput, Hosts } from "../provider/resources/connection.ts"
import { planOfDom0 } from "../provider/resources/dom0.ts"
import { planOfPackages } from "../provider/resources/packages.ts"
import { bareFacts } from "./runbook/bare.ts"
import { checked } from "./runbook/checked.ts"

const usage = `Usage: npm run runbook -- HOST [--bare]

Prints, as Markdown, what would be done to a host of the inventory (hosts/, and the labs that are up) to make it a Xen
host: the very steps that \`pulumi up\` takes. The host is asked for its facts; with --bare it is taken for a machine as it
was rented, with Debian 12, GRUB and ifupdown. Nothing is changed.
`

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
async function chapters(args: XenHostArgs, bare: boolean): Promise<{ title: string; plan: Plan }[]> {
  const parts = partsOf(args)
  const packages = planOfPackages("xen", await checked("Packages", parts.packages))
  const facts = bare
    ? bareFacts(args)
    : await factsOf(
        (await checked<{ connection: ConnectionInput }>("Dom0", parts.dom0)).connection,
        packages.names,
      )
  const bridges = await Promise.all(
    [parts.bridge, ...parts.bridges].map(async bridge => ({
      title: `The bridge ${bridge.name}`,
      plan: planOfBridge(await checked("Bridge", bridge), facts),
    })),
  )
  const early = facts.packages.xen.every(({ installed }) => installed === undefined)
  const later = " (Xen's own files are not there yet: print this chapter again when the packages are)"
  return [
    { title: "Packages", plan: packages.plan(facts) },
    ...bridges,
    {
      title: `Xen and dom0${early ? later : ""}`,
      plan: planOfDom0(await checked("Dom0", parts.dom0), facts),
    },
  ]
}

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({
    options: { bare: { type: "boolean", default: false }, help: { type: "boolean", short: "h" } },
    allowPositionals: true,
  })
  const [name, ...more] = positionals
  if (values.help || name === undefined || more.length > 0) {
    process[values.help ? "stdout" : "stderr"].write(usage)
    return values.help ? 0 : 2
  }
  const hosts = await inventory()
  const args = hosts[name]
  if (args === undefined) {
    const known = Object.keys(hosts).join(", ")
    process.stderr.write(`There is no host ${name} in the inventory. There are: ${known}.\n`)
    return 1
  }
  process.stdout.write(runbook(name, await chapters(args, values.bare)))
  return 0
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 1
}
