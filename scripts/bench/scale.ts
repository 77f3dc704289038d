import { createHash } from "node:crypto"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import type { Properties } from "../../provider/rpc/value.ts"
import { pvhKernel } from "../../test/helpers/kernels.ts"
import type { Made } from "../../test/helpers/provider.ts"
import { startProvider } from "../../test/helpers/providerProcess.ts"
import { SimulatedHost } from "../../test/helpers/simulatedXen/host.ts"
import { cpuOf } from "./hosts/cpu.ts"
import { median, type Row, timed } from "./row.ts"

const hostCount = 20
/** Domains of all hosts: few, and ten times as many. */
const [few, many] = [100, 1000] as const
const rounds = 3
/** As many as `pulumi up --parallel` has at a time by default, whatever the machine. */
const parallel = 16

/**
 * A thousand domains on twenty simulated hosts, through one provider process: what it costs to find nothing to do, for
 * each of a hundred domains and of a thousand, and how much memory the provider ever had.
 */
export async function bench(): Promise<Row[]> {
  const memory = 1024 + (many / hostCount) * 40
  const start = () => SimulatedHost.start({ memory, dom0Memory: 512 })
  const hosts: SimulatedHost[] = []
  const provider = await startProvider()
  try {
    for (let count = 0; count < hostCount; count++) hosts.push(await start())
    const kernels = hosts.map(putKernel)
    const known: Domain[] = []
    const grow = (to: number) => {
      const from = known.length
      return inParallel(to - from, async at => {
        known[from + at] = await create(provider.client, hosts, kernels, from + at)
      })
    }
    const pid = provider.child.pid!
    const look = () => costOfEach(known, pid, domain => noOp(provider.client, domain))

    await grow(few)
    const atFew = await repeated(look)
    await grow(many)
    const atMany = await repeated(look)
    const mebibytes = peakMemory(pid)
    const noOps = `no-op of a domain (check, diff, read), one of ${many} on ${hostCount} hosts, beside one of ${few}`
    return [
      {
        name: noOps,
        ours: atMany.wall,
        theirs: atFew.wall,
        unit: "ms",
        ratio: atMany.wall / atFew.wall,
        goal: { value: atMany.wall / atFew.wall, most: 1.3 },
        note: `${parallel} at a time`,
      },
      {
        name: `${noOps}: CPU of the provider`,
        ours: atMany.cpu,
        theirs: atFew.cpu,
        unit: "ms",
        ratio: atMany.cpu / atFew.cpu,
        goal: { value: atMany.cpu / atFew.cpu, most: 1.3 },
      },
      {
        name: `memory of the provider with ${many} domains, at its peak`,
        ours: mebibytes,
        theirs: 300,
        unit: "MB",
        ratio: mebibytes / 300,
        goal: { value: mebibytes, most: 300, words: "MB" },
      },
    ]
  } finally {
    await provider.stop()
    for (const host of hosts) await host[Symbol.asyncDispose]()
  }
}

interface Domain {
  readonly urn: string
  readonly given: Properties
  readonly made: Made
}

type Client = Awaited<ReturnType<typeof startProvider>>["client"]

function putKernel({ store }: SimulatedHost): string {
  const bytes = pvhKernel()
  const digest = createHash("sha256").update(bytes).digest("hex")
  mkdirSync(`${store}/kernels`, { recursive: true })
  writeFileSync(`${store}/kernels/${digest}`, bytes)
  return `/var/lib/pulumi-xen/kernels/${digest}`
}

async function create(
  client: Client,
  hosts: readonly SimulatedHost[],
  kernels: readonly string[],
  number: number,
): Promise<Domain> {
  const at = number % hostCount
  const name = `www${number}`
  const urn = `urn:pulumi:s::p::xen:index:Domain::${name}`
  const given = {
    connection: { ...hosts[at]!.connection },
    name,
    kernel: kernels[at]!,
    memory: 16,
    networks: [{ bridge: "xenbr0" }],
    arguments: [`--ipv4=10.0.2.${20 + Math.floor(number / hostCount)}/24`],
    health: { settle: 0 },
    probation: 0,
    autostart: false,
  }
  const { inputs } = await client.check(urn, given)
  return { urn, given, made: { inputs, ...(await client.create(urn, inputs)) } }
}

/** As `pulumi up --refresh` does it for what is as it should be. */
async function noOp(client: Client, { urn, given, made }: Domain): Promise<void> {
  const seen = await client.read(urn, made.id, made)
  const { inputs } = await client.check(urn, given, seen.inputs)
  const { changes } = await client.diff(urn, made.id, seen, inputs)
  if (changes !== "none") throw new Error(`${urn} is not as it was made: ${JSON.stringify(seen.outputs)}`)
}

async function inParallel(count: number, work: (at: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: parallel }, worker))
}

/** Milliseconds: on the clock, and of the provider's CPU, which a busy machine does not change. */
interface Cost {
  readonly wall: number
  readonly cpu: number
}

/** The cost of each, all of them done side by side. */
async function costOfEach<Item>(
  items: readonly Item[],
  pid: number,
  work: (item: Item) => Promise<void>,
): Promise<Cost> {
  const before = cpuOf(pid)
  const wall = await timed(() => inParallel(items.length, at => work(items[at]!)))
  return { wall: wall / items.length, cpu: ((cpuOf(pid) - before) * 1000) / items.length }
}

async function repeated(work: () => Promise<Cost>): Promise<Cost> {
  const costs: Cost[] = []
  for (let round = 0; round < rounds; round++) costs.push(await work())
  return { wall: median(costs.map(({ wall }) => wall)), cpu: median(costs.map(({ cpu }) => cpu)) }
}

/** VmHWM of proc(5), in MB. */
function peakMemory(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8")
  return (Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024) / 1e6
}
