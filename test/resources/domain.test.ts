import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import anyTest, { type TestFn } from "ava"
import { Secret } from "../../provider/secret.ts"
import { pvhKernel } from "../helpers/kernels.ts"
import { failureOf, type Made, ProviderUnderTest } from "../helpers/provider.ts"
import { SimulatedHost } from "../helpers/simulatedXen/host.ts"

const test = anyTest.serial as TestFn
const directory = mkdtempSync(join(tmpdir(), "domain-"))
let provider: ProviderUnderTest
let host: SimulatedHost

test.before(async t => {
  t.timeout(300_000)
  host = await SimulatedHost.start({ memory: 2048, dom0Memory: 1024 })
  provider = await ProviderUnderTest.start()
})
test.after.always(async () => {
  await provider?.[Symbol.asyncDispose]()
  await host?.[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true, force: true })
})

const urn = "urn:pulumi:s::p::xen:index:Domain::www"
const store = "/var/lib/pulumi-xen/domains/www"

/** The path of a kernel in the host's store; another version is another digest. */
async function kernel(version: string): Promise<string> {
  const source = join(directory, `${version}.xen`)
  writeFileSync(source, pvhKernel(version))
  const kernelUrn = `urn:pulumi:s::p::xen:index:Kernel::${version}`
  return (await provider.create(kernelUrn, { connection: host.connection, source })).outputs.path as string
}

const want = async (version: string, more: object = {}) => ({
  connection: host.connection,
  name: "www",
  kernel: await kernel(version),
  arguments: ["--ipv4=10.0.2.20/24", "--ipv4-gateway=10.0.2.2"],
  networks: [{ bridge: "xenbr0" }],
  addresses: ["10.0.2.20/24"],
  gateways: ["10.0.2.2"],
  health: { http: {}, settle: 0.2, timeout: 20 },
  drain: 0,
  probation: 0,
  shutdownTimeout: 5,
  autostart: false,
  ...more,
})

const running = () =>
  host.inside("xl list -v | sed 1,2d | sed 's/ .*//'").then(text => text.split("\n").filter(Boolean))
const uuidOf = async (name: string) =>
  (await host.inside(`xl list -v | sed -n 's/^${name} .* \\([0-9a-f-]\\{36\\}\\).*/\\1/p'`)).trim()
const serves = async () => /^build: (.*)$/m.exec(await host.fetch("10.0.2.20"))?.[1]
const buildOf = (path: string) => path.split("/").at(-1)
const links = () => host.inside("ip -o link | sed 's/^[0-9]*: \\([^:@]*\\).*/\\1/'")

/** What `refresh` finds, and the state that it leaves. */
async function refreshed(state: Made): Promise<Made> {
  return { ...state, ...(await provider.client.read(urn, state.id, state)) }
}

async function destroyed(state: Made): Promise<void> {
  await provider.client.delete(urn, state.id, state)
}

test("a domain's life: previewed, started apart, found again, swapped, gone with all that it was", async t => {
  t.timeout(300_000)
  const before = await links()
  const first = await want("1")
  const [would, text] = await provider.preview(urn, first)
  t.regex(would!, /^would start www as generation [0-9a-f]{12}, checked before it has its address$/)
  t.is(text, `configuration of www:\n${String((await provider.check(urn, first)).configuration)}`)
  t.deepEqual(await running(), [])

  const made = await provider.create(urn, first)
  t.like(made.outputs, { name: "www", state: "running", strategy: "create", drift: [] })
  t.is(await serves(), buildOf(first.kernel))
  const uuid = await uuidOf("www")
  const again = await provider.create(urn, first)
  t.deepEqual(
    again.outputs,
    { ...made.outputs, strategy: "none" },
    "what an interrupted run has made is taken up",
  )
  t.like(await provider.client.diff(urn, "www", made, await provider.check(urn, first)), { changes: "none" })
  t.is(await uuidOf("www"), uuid)

  const second = await want("2")
  t.like(await provider.client.diff(urn, "www", made, await provider.check(urn, second)), {
    detail: { configuration: "update" },
  })
  const swapped = await provider.update(urn, made, second)
  t.like(swapped.outputs, { strategy: "swap", state: "running" })
  t.is(await serves(), buildOf(second.kernel))
  t.deepEqual(await running(), ["www"])
  t.deepEqual((await refreshed(swapped)).outputs, swapped.outputs, "a refresh finds nothing")

  await destroyed(swapped)
  t.deepEqual(await running(), [])
  t.is(await links(), before)
  t.is((await host.inside(`ls /var/lib/pulumi-xen/domains`)).trim(), "")
  await destroyed(swapped)
  t.is((await provider.client.read(urn, "www", swapped)).id, "", "what is gone is found to be gone")
})

const bad: [how: string, more: object, says: RegExp][] = [
  [
    "that stops at once with reason 0",
    { arguments: ["--ipv4=10.0.2.20/24", "--fail=exit"] },
    /fail: exit, as asked/,
  ],
  ["that crashes", { arguments: ["--ipv4=10.0.2.20/24", "--fail=crash"] }, /crash/],
  [
    "that never answers",
    { arguments: ["--ipv4=10.0.2.20/24", "--fail=mute"], health: { http: {}, settle: 0.2, timeout: 2 } },
    /not healthy/,
  ],
]
for (const strategy of ["swap", "recreate"] as const) {
  for (const [how, more, says] of bad) {
    test(`${strategy}: a version ${how} is taken back with its console told, and the old one serves`, async t => {
      t.timeout(300_000)
      const good = await want("1")
      const made = await provider.create(urn, good)
      const uuid = await uuidOf("www")
      const failed = await failureOf(provider.update(urn, made, await want("2", { ...more, strategy })))
      t.regex(failed.says, says)
      t.regex(
        failed.says,
        /Generation [0-9a-f]{12} was not kept\. Generation [0-9a-f]{12} serves as before\./,
      )
      t.is(await serves(), buildOf(good.kernel))
      t.deepEqual(await running(), ["www"])
      if (strategy === "swap") t.is(await uuidOf("www"), uuid, "the old one was never touched")
      const healed = await provider.update(urn, failed.saved!, good)
      t.like(healed.outputs, { strategy: "none", generation: made.outputs.generation })
      await destroyed(healed)
    })
  }
}

test("what xl can change on a running domain is changed without a restart", async t => {
  t.timeout(300_000)
  const base = { memory: 32, maxmem: 64, vcpus: 1, maxvcpus: 2 }
  const made = await provider.create(urn, await want("1", base))
  const uuid = await uuidOf("www")
  const more = await provider.update(
    urn,
    made,
    await want("1", {
      ...base,
      ...{ memory: 48, vcpus: 2, config: { on_crash: "destroy" } },
      networks: [{ bridge: "xenbr0" }, { bridge: "xenbr0" }],
    }),
  )
  t.is(more.outputs.strategy, "live")
  t.is(await uuidOf("www"), uuid)
  t.is((more.outputs.macs as string[]).length, 2)
  t.regex(await host.inside("xl list -l www"), /"target_memkb": 49152/)
  t.regex(await host.inside(`cat ${store}/current`), /on_crash = "destroy"/)
  t.deepEqual((await refreshed(more)).outputs.drift, [])

  const back = await provider.update(urn, more, await want("1", base))
  t.is(back.outputs.strategy, "recreate", "an interface cannot be taken away from a running unikernel")
  t.not(await uuidOf("www"), uuid)
  t.is(back.outputs.generation, made.outputs.generation)
  await destroyed(back)
})

test("what is no part of a configuration changes without a word to the domain", async t => {
  t.timeout(300_000)
  const made = await provider.create(urn, await want("1"))
  const uuid = await uuidOf("www")
  const quiet = await want("1", {
    drain: 20,
    probation: 7,
    keep: 2,
    strategy: "recreate",
    health: { settle: 1 },
  })
  t.like(await provider.client.diff(urn, "www", made, await provider.check(urn, quiet)), { changes: "none" })
  const started = await want("1", { autostart: true, order: 7 })
  t.like(await provider.client.diff(urn, "www", made, await provider.check(urn, started)), {
    detail: { autostart: "update", order: "update" },
  })
  const after = await provider.update(urn, made, started)
  t.is(await host.inside(`cat ${store}/autostart`), "7 5\n")
  t.is(await uuidOf("www"), uuid)
  await host.inside(`rm ${store}/autostart`)
  const seen = await refreshed(after)
  t.deepEqual(seen.outputs.drift, ["its place in the host's start is none instead of 7 5"])
  const mended = await provider.update(urn, seen, started)
  t.is(await host.inside(`cat ${store}/autostart`), "7 5\n")
  t.deepEqual((await refreshed(mended)).outputs.drift, [])
  await destroyed(mended)
})

const drifts: [what: string, script: string, says: RegExp][] = [
  ["gone", "xl destroy www", /^it is not running$/],
  ["paused", "xl pause www", /^it is paused$/],
  ["renamed", "xl rename www other", /^it is named other$/],
  ["given other memory", "xl mem-set www 40m", /^it has 40 MiB instead of 32$/],
  [
    "off its bridge",
    "ip link set $(ip -o link | sed -n 's/.* \\(v[0-9a-f]*\\.0\\):.*/\\1/p') nomaster",
    /on no bridge instead of xenbr0/,
  ],
  [
    "running another kernel",
    `cp $(sed -n 's/^kernel = "\\(.*\\)"/\\1/p' ${store}/current) /tmp/other; xl destroy www; sed 's#^kernel = .*#kernel = "/tmp/other"#' ${store}/current >/tmp/other.cfg; xl create /tmp/other.cfg`,
    /kernel is "?\/tmp\/other"? instead of /,
  ],
  [
    "started anew with another UUID and other arguments",
    `xl destroy www; sed '/^uuid/d; s/^extra = .*/extra = "--ipv4=10.0.2.20\\/24"/' ${store}/current >/tmp/other.cfg; xl create /tmp/other.cfg`,
    /started anew by hand/,
  ],
]
/** One domain goes through all of them. */
let drifting: Made | undefined
for (const [what, script, says] of drifts) {
  test(`a domain that is ${what} is found by a refresh, and repaired by the next update`, async t => {
    t.timeout(300_000)
    const wanted = await want("1", { maxmem: 64 })
    const made = drifting ?? (await provider.create(urn, wanted))
    const uuid = await uuidOf("www")
    await host.inside(script)
    const seen = await refreshed(made)
    t.regex((seen.outputs.drift as string[]).join("; "), says)
    t.like(await provider.client.diff(urn, "www", seen, made.inputs), { detail: { drift: "update" } })
    const mended = await provider.update(urn, seen, wanted)
    t.like(mended.outputs, { drift: [], state: "running", generation: made.outputs.generation })
    t.is(await serves(), buildOf(wanted.kernel))
    t.deepEqual(await running(), ["www"])
    t.is(await uuidOf("www"), uuid)
    t.deepEqual((await refreshed(mended)).outputs.drift, [])
    drifting = mended
  })
}

test("a domain that has crashed is found by a refresh, and started again by the next update", async t => {
  t.timeout(300_000)
  const wanted = await want("1")
  const made = drifting!
  const www = [...host.xen.domains.values()].find(({ name }) => name === "www")!
  www.ended = "crash"
  const seen = await refreshed(made)
  t.deepEqual(seen.outputs.drift, ["it has crashed"])
  const mended = await provider.update(urn, seen, wanted)
  t.like(mended.outputs, { drift: [], state: "running" })
  t.is(await serves(), buildOf(wanted.kernel))
  t.deepEqual(await running(), ["www"])
  await destroyed(mended)
})

const foreign = (name: string, more = "") => `cat >/tmp/foreign.cfg <<END
name = "${name}"
type = "pvh"
memory = 32
kernel = "$kernel"
${more}
END
xl create /tmp/foreign.cfg`

const refused: [what: string, script: string, more: object, says: RegExp][] = [
  [
    "a bridge that the host does not have",
    "",
    { networks: [{ bridge: "xenbr7" }] },
    /There is no bridge xenbr7; this host has xenbr0\./,
  ],
  [
    "a disk that is not there",
    "",
    { disks: [{ path: "/srv/none.img", vdev: "xvdb" }] },
    /The disk \/srv\/none\.img for xvdb is not there\. Make it/,
  ],
  [
    "more memory than the host has",
    "",
    { memory: 4000 },
    /It takes \d+ MiB \(4000 for the guest\), and \d+ of 2047 MiB are free\./,
  ],
  [
    "a kernel that is not in the store",
    "",
    { kernel: "0".repeat(64) },
    /The kernel \/var\/lib\/pulumi-xen\/kernels\/0{64} is not there/,
  ],
  [
    "a kernel that was altered",
    'echo >>"$kernel"',
    {},
    /The kernel .* was altered: its SHA-256 is [0-9a-f]{64}\. Run pulumi refresh/,
  ],
  [
    "a name that somebody else's domain has",
    foreign("www", `extra = "--ipv4=10.0.2.21/24"\nvif = [ "bridge=xenbr0,mac=00:16:3e:00:00:98" ]`),
    {},
    /There is a domain www \([0-9a-f-]{36}\) that this program has not started\. It is left alone/,
  ],
  [
    "an address at which somebody answers",
    foreign("squatter", 'extra = "--ipv4=10.0.2.20/24"\nvif = [ "bridge=xenbr0,mac=00:16:3e:00:00:99" ]'),
    {},
    /www is to have 10\.0\.2\.20, at which somebody answers already \(00:16:3e:00:00:99\)\./,
  ],
  [
    "the folder of another resource",
    `mkdir -p ${store}; echo urn:pulumi:other >${store}/owner`,
    {},
    /belongs to another resource of Pulumi: urn:pulumi:other\./,
  ],
]
for (const [what, script, more, says] of refused) {
  test(`${what} is refused in a sentence, before anything is made or stopped`, async t => {
    t.timeout(300_000)
    const path = await kernel("refused")
    t.teardown(async () => {
      await host.inside(`rm -rf /var/lib/pulumi-xen/domains/* ${path}`)
      await host.inside("for one in www squatter; do xl destroy $one 2>/dev/null || :; done")
    })
    const picture = async () => [
      await host.inside("xl list | cut -c 1-52; find /var/lib/pulumi-xen/domains 2>/dev/null || :"),
      await links(),
    ]
    const wanted = await want("refused", more)
    await host.inside(`kernel=${path}\n${script}`)
    const before = await picture()
    const failed = await failureOf(provider.create(urn, wanted))
    t.regex(failed.says, says)
    t.is(failed.saved, undefined)
    t.deepEqual(await picture(), before)
  })
}

test("a configuration in the store that was edited by hand stops an update before the running domain is touched", async t => {
  t.timeout(300_000)
  const made = await provider.create(urn, await want("1"))
  const uuid = await uuidOf("www")
  await host.inside(`cp ${store}/current ${store}/before; echo "# mine" >>$(readlink -f ${store}/current)`)
  const failed = await failureOf(provider.update(urn, made, await want("2")))
  t.regex(
    failed.says,
    /[0-9a-f]{12}\.cfg was edited by hand: its SHA-256 is not the one in the history\. Put the change/,
  )
  t.is(await uuidOf("www"), uuid)
  await host.inside(`cat ${store}/before >$(readlink -f ${store}/current)`)
  await destroyed(made)
})

test("a swap that is asked for and cannot be is refused; left to the host, it is a new start with its reason", async t => {
  t.timeout(300_000)
  await host.inside("truncate -s 1M /srv.img")
  const disks = [{ path: "/srv.img", vdev: "xvdb", access: "rw" }]
  const made = await provider.create(urn, await want("1", { disks }))
  const failed = await failureOf(provider.update(urn, made, await want("2", { disks, strategy: "swap" })))
  t.regex(
    failed.says,
    /www cannot be swapped: two generations cannot both have the writable disk \/srv\.img\./,
  )
  const before = provider.engine.lines.length
  const next = await provider.check(urn, await want("2", { disks }))
  await provider.client.update(urn, "www", made, next, { preview: true })
  t.regex(
    provider.engine.lines
      .slice(before)
      .map(({ message }) => message)
      .join("\n"),
    /would recreate www as generation .* it does not answer meanwhile: two generations cannot both have the writable disk/,
  )
  const after = await provider.update(urn, made, await want("2", { disks }))
  t.is(after.outputs.strategy, "recreate")
  t.is(await serves(), buildOf(await kernel("2")))
  await destroyed(after)
})

test("two domains that fit alone, and not both, are refused in the preview of the second", async t => {
  const two = "urn:pulumi:s::p::xen:index:Domain::two"
  const fits = { memory: 500, addresses: [], networks: [], health: {} }
  await provider.preview(urn, await want("1", fits))
  const inputs = await provider.check(two, await want("1", { ...fits, name: "two" }))
  const failed = await failureOf(provider.client.create(two, inputs, { preview: true }))
  t.regex(
    failed.says,
    /two takes \d+ MiB\. Of 2047 MiB, \d+ are free, and \d+ of these go to www in this update\./,
  )
})

test("a secret argument reaches the guest, and is in no preview, no error, no open state and no file for others", async t => {
  t.timeout(300_000)
  const secret = new Secret("--token=hunter2-hunter2")
  const wish = await want("1", { arguments: ["--ipv4=10.0.2.20/24", secret] })
  const told = await provider.preview(urn, wish)
  t.notRegex(told.join("\n"), /hunter2/)
  const failed = await failureOf(provider.create(urn, wish))
  t.regex(
    failed.says,
    /not healthy/,
    "hello names an argument that it does not know on its console, and stops",
  )
  t.notRegex(failed.says, /hunter2/)
  t.true(failed.saved!.inputs.configuration instanceof Secret)
  const { configuration, arguments: words, ...open } = failed.saved!.inputs
  t.regex(JSON.stringify([configuration, words]), /\[secret\]/)
  t.notRegex(JSON.stringify([open, failed.saved!.outputs, provider.engine.lines]), /hunter2/)
  t.is(await host.inside(`grep -l hunter2 -r ${store} | xargs stat -c %a | sort -u`), "600\n")
  t.is((await host.inside(`stat -c %a ${store}`)).trim(), "700")
  await destroyed(failed.saved!)
})

test("a health check that has nowhere to ask is refused, and a pattern that is none", async t => {
  const says = (more: object) =>
    want("1", more)
      .then(wish => provider.client.check(urn, wish))
      .then(({ failures }) => failures.map(({ reason }) => reason))
  t.deepEqual(await says({ addresses: [] }), [
    "health.http asks the domain at its addresses, and none is given: give addresses",
  ])
  t.regex((await says({ health: { console: "(" } }))[0]!, /^health\.console is no regular expression: /)
  t.deepEqual(await says({ skeleton: "/none.xl.in" }), [
    "the skeleton /none.xl.in does not exist; was it built?",
  ])
  t.deepEqual(await says({ variables: { A: "b" } }), [
    "there are variables, but no skeleton to fill: give skeleton as well",
  ])
})

test("generations: the last ones stay, an earlier one serves again when it is asked for by its name", async t => {
  t.timeout(300_000)
  let made = await provider.create(urn, await want("1", { keep: 2 }))
  const first = made.outputs.generation as string
  made = await provider.update(urn, made, await want("2", { keep: 2 }))
  const second = made.outputs.generation as string
  const kept = async () =>
    (await host.inside(`cd ${store} && ls *.cfg`))
      .trim()
      .split("\n")
      .map(file => file.slice(0, 12))
      .sort()
  t.deepEqual(await kept(), [first, second].sort())
  made = await provider.update(urn, made, await want("3", { keep: 2 }))
  const third = made.outputs.generation as string
  t.deepEqual(await kept(), [second, third].sort())

  const failed = await failureOf(provider.update(urn, made, await want("3", { keep: 2, generation: first })))
  t.regex(failed.says, new RegExp(`has no generation ${first} of www: it has `))
  const back = await provider.update(urn, made, await want("3", { keep: 2, generation: second }))
  t.like(back.outputs, { generation: second, strategy: "swap" })
  t.is(await serves(), buildOf(await kernel("2")))
  const history = (await host.inside(`cut -c 1-12 ${store}/history`)).trim().split("\n")
  t.deepEqual(history, [first, second, third, second])
  await destroyed(back)
})

test("a domain that was started by hand is imported with inputs that change nothing, and then updated as any other", async t => {
  t.timeout(300_000)
  const path = await kernel("hand")
  await host.inside(
    `cat >/tmp/www.cfg <<END
name = "www"
type = "pvh"
kernel = "${path}"
extra = "--ipv4=10.0.2.20/24 --ipv4-gateway=10.0.2.2"
memory = 32
vif = [ "bridge=xenbr0,mac=00:16:3e:01:02:03" ]
END
xl create /tmp/www.cfg`,
  )
  const uuid = await uuidOf("www")
  const { host: address, port, user, privateKeyPath, hostKey } = host.connection
  const knownHosts = join(directory, "known_hosts")
  writeFileSync(knownHosts, `[${address}]:${port} ${hostKey}\n`)
  await provider.client.configure({ privateKeyPath, knownHosts: [knownHosts] })
  const imported = await provider.client.read(urn, `ssh://${user}@${address}:${port}/domains/www`)
  t.like(imported, { id: "www", outputs: { uuid, state: "running", kernelDigest: buildOf(path) } })
  const checked = await provider.check(urn, imported.inputs)
  t.like(await provider.client.diff(urn, "www", imported, checked), { changes: "none" })
  t.deepEqual((await refreshed(imported)).outputs.drift, [])

  const said = {
    ...imported.inputs,
    addresses: ["10.0.2.20/24"],
    gateways: ["10.0.2.2"],
    drain: 0,
    probation: 0,
  }
  const taken = await provider.update(urn, imported, { ...said, autostart: false })
  t.is(await uuidOf("www"), uuid, "it is taken over as it runs")
  t.is(taken.outputs.generation, imported.outputs.generation)
  const networks = [{ bridge: "xenbr0", mac: "00:16:3e:01:02:03" }]
  const next = await provider.update(urn, taken, await want("2", { networks }))
  t.like(next.outputs, { strategy: "swap", state: "running" })
  t.is(await serves(), buildOf(await kernel("2")))
  t.deepEqual(await running(), ["www"])
  await destroyed(next)
})
