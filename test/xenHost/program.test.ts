import test from "ava"
import { PulumiStack } from "../helpers/pulumiStack.ts"

/** Nobody answers at port 1: what is looked at here is the program, and no host. */
const machine = (more: object = {}) => ({
  host: "127.0.0.1",
  port: 1,
  hostKey: "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
  uplink: "eth0",
  connectTimeout: 1000,
  ...more,
})

interface Planned {
  readonly name: string
  readonly type: string
  readonly dependencies: readonly string[]
  readonly inputs: { readonly [name: string]: unknown }
}

/** What would be made, by name and type, with the names and types that it waits for. */
async function planned(config: object): Promise<readonly Planned[]> {
  const stack = await PulumiStack.create("xenHost")
  await stack.configure({ ...config })
  const { stdout } = await stack.succeed(["preview", "--json"])
  await stack.remove()
  const short = (urn: string) =>
    `${urn.split("::").at(-1)} ${urn.split("$").at(-1)!.split("::")[0]!.split(":").at(-1)}`
  const { steps } = JSON.parse(stdout) as {
    steps: { urn: string; newState: { type: string; dependencies?: string[]; inputs: object } }[]
  }
  return steps.map(({ urn, newState: { type, dependencies = [], inputs } }) => ({
    name: urn.split("::").at(-1)!,
    type: type.split(":").at(-1)!,
    dependencies: dependencies.map(short),
    inputs: inputs as Planned["inputs"],
  }))
}

const waitsFor = (all: readonly Planned[], name: string, type: string) =>
  all.find(one => one.name === name && one.type === type)!.dependencies

test("a host is its packages, then its bridge, then the other bridges side by side, then dom0, which is told what Xen's packages are", async t => {
  const bridges = { inside0: {}, xenbr7: { uplink: "eth0", vlan: 7 } }
  const all = await planned({ hosts: { www1: machine({ bridges }) } })
  t.deepEqual(waitsFor(all, "www1", "Packages"), [])
  t.deepEqual(waitsFor(all, "www1", "Bridge"), ["www1 Packages"])
  t.deepEqual(waitsFor(all, "www1-inside0", "Bridge"), ["www1 Bridge"])
  t.deepEqual(waitsFor(all, "www1-xenbr7", "Bridge"), ["www1 Bridge"])
  t.deepEqual(waitsFor(all, "www1", "Dom0").toSorted(), [
    "www1 Bridge",
    "www1 Packages",
    "www1-inside0 Bridge",
    "www1-xenbr7 Bridge",
  ])
})

test("hosts that say nothing of each other are changed at the same time", async t => {
  const all = await planned({ hosts: { www1: machine(), www2: machine() } })
  t.deepEqual(waitsFor(all, "www1", "Packages"), [])
  t.deepEqual(waitsFor(all, "www2", "Packages"), [])
})

test("a host that comes after another is touched only when all of that one is done, its proof that Xen runs included", async t => {
  const all = await planned({ hosts: { www1: machine(), www2: machine() }, rolling: true })
  t.deepEqual(waitsFor(all, "www1", "Packages"), [])
  t.true(waitsFor(all, "www2", "Packages").includes("www1 Dom0"), waitsFor(all, "www2", "Packages").join())
})
