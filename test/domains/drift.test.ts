import test from "ava"
import { TURN } from "../helpers/lab.ts"
import { address, RealXen, urn } from "./support/realXen.ts"

let xen: RealXen

test.before(async t => {
  t.timeout(TURN)
  xen = await RealXen.start()
})
test.after.always(() => xen?.[Symbol.asyncDispose]())
test.beforeEach(t => t.timeout(1_200_000))

test.serial("what xl can change on a running domain is changed without a restart", async t => {
  await xen.deploy(await xen.given("live", { memory: 32, maxmem: 64, vcpus: 1, maxvcpus: 2 }))
  const uuid = await xen.uuid()
  const more = { memory: 40, maxmem: 64, vcpus: 2, maxvcpus: 2, config: { on_crash: "preserve" } }
  const { outputs } = await xen.deploy(await xen.given("live", more))
  t.is(outputs.strategy, "live")
  t.is(await xen.uuid(), uuid)
  t.is(await xen.version(), "live")
  t.regex(await xen.machine.run("xl list -l www"), /"target_memkb": 40960/)
  t.deepEqual((await xen.refresh()).outputs.drift, [])
})

const again = "xl create /var/lib/pulumi-xen/domains/www/current"
const drifts: [what: string, script: string, says: RegExp][] = [
  ["paused", "xl pause www", /it is paused/],
  ["renamed", "xl rename www other", /it is named other/],
  ["reconfigured by hand", "xl mem-set www 36", /it has 36 MiB instead of 40/],
  ["off its bridge", "ip link set $(ls /sys/class/net/xenbr0/brif | grep ^v) nomaster", /on no bridge/],
  ["gone", "xl destroy www", /it is not running/],
  [
    "crashed",
    "xl trigger www nmi; timeout 60 sh -c \"until xl list www | grep -q -- '---sc-'; do sleep 0.5; done\"",
    /has crashed/,
  ],
  [
    "running another kernel",
    `xl destroy www; cp /var/lib/pulumi-xen/kernels/????* /root/other; ${again} 'name="www"' 'kernel="/root/other"'`,
    /its kernel is "?\/root\/other/,
  ],
]
for (const [what, script, says] of drifts) {
  test.serial(`a domain that is ${what} is found by a refresh, and repaired by the next update`, async t => {
    await xen.machine.run(script)
    const seen = await xen.refresh()
    t.regex((seen.outputs.drift as string[]).join("\n"), says)
    t.is((await xen.provider.client.diff(urn, seen.id, seen, seen.inputs)).changes, "some")
    const outputs = await xen.provider.client.update(urn, seen.id, seen, seen.inputs)
    t.like(outputs, { state: "running", drift: [] })
    xen.state = { ...seen, outputs }
    t.deepEqual((await xen.refresh()).outputs.drift, [])
    t.is(await xen.version(), "live")
    t.deepEqual(await xen.domains(), ["www"])
    t.deepEqual(await xen.network(), { ports: 1, leftOvers: "" })
  })
}

test.serial(
  "the content of its disk is rolled out like a new version, and read by the unikernel",
  async t => {
    const diskUrn = "urn:pulumi:s::p::xen:index:Disk::www"
    const seen: string[] = []
    for (const text of ["one", "two"]) {
      const { connection } = xen
      const made = await xen.provider.create(diskUrn, { connection, files: { "index.html": text } })
      const { path, digest } = made.outputs as { path: string; digest: string }
      await xen.deploy(await xen.given("disk", { disks: [{ path, vdev: "xvda", digest }] }))
      const read = /^sha256: (.*)$/m.exec(await xen.fetch("/disk"))?.[1]
      t.is(read, digest)
      seen.push(digest)
    }
    t.is(xen.state.outputs.strategy, "swap")
    t.is(new Set(seen).size, 2)
  },
)

test.serial(
  "a domain that was started by hand is imported, and the program then changes nothing",
  async t => {
    const networks = [{ bridge: "xenbr0", mac: "00:16:3e:00:00:20" }]
    await xen.provider.client.delete(urn, xen.state.id, xen.state)
    t.deepEqual(await xen.domains(), [])
    t.deepEqual(await xen.network(), { ports: 0, leftOvers: "" })
    const kernel = await xen.kernel("1.0.0")
    await xen.machine.run(`cat >/root/www.cfg <<'END'
name = 'www'
kernel = '${kernel}'
type = 'pvh'
memory = 32
vif = [ 'bridge=xenbr0,mac=00:16:3e:00:00:20' ]
extra = '--ipv4=${address}/24 --ipv4-gateway=10.0.2.2 --version-text=hand'
END
xl create /root/www.cfg`)
    const uuid = await xen.uuid()
    xen.state = await xen.imported("www")
    t.like(xen.state.outputs, { uuid, state: "running", drift: [] })
    const inputs = await xen.provider.check(urn, xen.state.inputs)
    t.is((await xen.provider.client.diff(urn, xen.state.id, xen.state, inputs)).changes, "none")
    const { outputs } = await xen.deploy(await xen.given("taken over", { networks }))
    t.is(outputs.strategy, "swap")
    t.is(await xen.version(), "taken over")
  },
)

test.serial("a PV guest is a domain like any other: Debian's GRUB for Xen", async t => {
  const grub = "urn:pulumi:s::p::xen:index:Domain::grub"
  const given = {
    connection: xen.connection,
    name: "grub",
    kernel: "/usr/lib/grub-xen/grub-x86_64-xen.bin",
    type: "pv",
    memory: 64,
    networks: [{ bridge: "xenbr0" }],
    health: { console: "grub> ", settle: 0, timeout: 120 },
    autostart: false,
    shutdownTimeout: 1,
    drain: 0,
    probation: 0,
  }
  const made = await xen.provider.create(grub, given)
  t.like(made.outputs, { state: "running", drift: [] })
  t.regex(await xen.machine.run("xl list -l grub"), /"type": "pv"/)
  t.is((await xen.provider.client.diff(grub, made.id, made, made.inputs)).changes, "none")
  await xen.provider.client.delete(grub, made.id, made)
  t.deepEqual(await xen.domains(), ["www"])
})
