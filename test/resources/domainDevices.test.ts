import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import anyTest, { type TestFn } from "ava"
import type { Properties } from "../../provider/rpc/value.ts"
import { ProviderUnderTest } from "../helpers/provider.ts"

const test = anyTest as TestFn<{ folder: string; provider: ProviderUnderTest }>
test.before(async t => {
  const folder = await mkdtemp(join(tmpdir(), "devices-"))
  t.context = { folder, provider: await ProviderUnderTest.start() }
})
test.after.always(async t => {
  await t.context.provider[Symbol.asyncDispose]()
  await rm(t.context.folder, { recursive: true })
})

const skeleton = `name = "@NAME@"
kernel = "@KERNEL@"
memory = @MEMORY@
disk = [ "format=raw, vdev=xvdb, access=rw, target=@BLOCK:tls@" ]
vif = [ "bridge=@NETWORK:service@" ]
`
const manifest = JSON.stringify({
  type: "solo5.manifest",
  version: 1,
  devices: [
    { name: "service", type: "NET_BASIC" },
    { name: "storage", type: "BLOCK_BASIC" },
  ],
})
const disk = (vdev: string) => ({ path: "/dev/guests/tls", vdev })
const network = { bridge: "xenbr0" }
const network2 = { bridge: "xenbr1" }

/** [what the build left, what the program gives, the sentence about it] */
const cases: [file: string, given: object, says: RegExp | undefined][] = [
  ["www.xl.in", { disks: [disk("xvdb")], networks: [network] }, undefined],
  ["manifest.json", { disks: [disk("xvda")], networks: [network] }, undefined],
  [
    "www.xl.in",
    { disks: [disk("xvdc")], networks: [network] },
    /^the kernel expects the block device tls as xvdb; the configuration has xvdc; .*www\.xl\.in says so/,
  ],
  [
    "www.xl.in",
    { disks: [disk("xvdb")], networks: [] },
    /^the kernel expects the network device service; the configuration has none/,
  ],
  [
    "manifest.json",
    { networks: [network, network2] },
    /^the kernel expects the block device storage; the configuration has none/,
  ],
  ["missing.xl.in", { networks: [network] }, /missing\.xl\.in tells of no devices/],
  ["broken.json", { networks: [network] }, /broken\.json tells of no devices/],
]
for (const [file, given, says] of cases) {
  const wish = Object.entries(given).map(([name, list]) => `${(list as object[]).length} ${name}`)
  test(`${file} and ${wish.join(", ")}: ${says ? "what is missing is said in the preview" : "they agree"}`, async t => {
    const { folder, provider } = t.context
    await writeFile(join(folder, "www.xl.in"), skeleton)
    await writeFile(join(folder, "manifest.json"), manifest)
    await writeFile(join(folder, "broken.json"), "{")
    const { failures } = await provider.client.check("urn:pulumi:s::p::xen:index:Domain::www", {
      connection: { host: "127.0.0.1" },
      name: "www",
      kernel: "/boot/www",
      expects: join(folder, file),
      ...given,
    } as Properties)
    if (says === undefined) t.deepEqual(failures, [])
    else {
      t.is(failures.length, 1)
      t.regex(failures[0]!.reason, says)
    }
  })
}
