import test from "ava"
import type { Properties } from "../../provider/rpc/value.ts"
import { failureOf, type Made } from "../helpers/provider.ts"
import { startProvider } from "../helpers/providerProcess.ts"
import { load, type Outcome } from "../unikernels/support/requests.ts"
import { address, Boundaries, RealXen, urn } from "./support/realXen.ts"

let xen: RealXen
let state: Made

test.before(async t => {
  t.timeout(1_500_000)
  xen = await RealXen.start()
})
test.after.always(() => xen?.[Symbol.asyncDispose]())
test.beforeEach(t => t.timeout(1_200_000))

const update = async (given: Properties) => {
  state = await xen.provider.update(urn, state, given)
  return state
}

/** Requests from outside the machine, eight at a time, until told to stop; at least so many. */
function requests(least: number) {
  let going = true
  const total: Outcome & { count: number } = { failed: [], slowest: 0, count: 0 }
  const done = (async () => {
    while (going || total.count < least) {
      const { failed, slowest } = await load(`${xen.url}/health`, 80, 8, false)
      total.failed.push(...failed)
      total.slowest = Math.max(total.slowest, slowest)
      total.count += 80
    }
    return total
  })()
  return {
    stop: () => {
      going = false
      return done
    },
  }
}

test.serial(
  "a domain is created, checked before it has its address, and a second run has nothing to do",
  async t => {
    const given = await xen.given("0")
    state = await xen.provider.create(urn, given)
    t.like(state.outputs, { name: "www", state: "running", strategy: "create", drift: [] })
    t.is(await xen.version(), "0")
    const uuid = await xen.uuid()
    t.is((await xen.provider.client.diff(urn, state.id, state, state.inputs)).changes, "none")
    await update(given)
    t.is(state.outputs.strategy, "none")
    t.is(await xen.uuid(), uuid)
    t.deepEqual((await xen.refresh(state)).outputs, state.outputs)
    t.deepEqual(await xen.network(), { ports: 1, leftOvers: "" })
  },
)

test.serial(
  "ten swaps under load, the last to another kernel: of at least 2,000 requests from outside none fails",
  async t => {
    const { mac } = { mac: state.outputs.macs }
    const load = requests(2000)
    for (let version = 1; version <= 10; version++) {
      const more = version === 10 ? { kernel: await xen.kernel("2.0.0") } : {}
      await update(await xen.given(String(version), more))
      t.like(state.outputs, { strategy: "swap", macs: mac })
      t.is(await xen.version(), String(version))
    }
    const { failed, count, slowest } = await load.stop()
    t.deepEqual(failed, [])
    t.log(`${count} requests, the slowest ${Math.round(slowest)} ms`)
    t.deepEqual(await xen.domains(), ["www"])
    t.deepEqual(await xen.network(), { ports: 1, leftOvers: "" })
  },
)

const bad: [how: string, says: RegExp][] = [
  ["exit", /it is gone \(poweroff\).*fail: exit/s],
  ["crash", /it is (gone|crashed|shut down) \(crash\).*fail: crash/s],
  ["hang", /no answer.*fail: hang/s],
  ["mute", /no answer.*fail: mute/s],
]
for (const [how, says] of bad) {
  test.serial(
    `--fail=${how}: it never gets the address, the old one serves on, and the error shows its console`,
    async t => {
      const uuid = await xen.uuid()
      const version = await xen.version()
      const load = requests(80)
      const health = { http: { path: "/health" }, settle: 0, timeout: 15 }
      const given = await xen.given("bad", { health }, `--fail=${how}`)
      const { says: said } = await failureOf(xen.provider.update(urn, state, given))
      t.deepEqual((await load.stop()).failed, [])
      t.regex(said, says)
      t.is(await xen.uuid(), uuid)
      t.is(await xen.version(), version)
      t.deepEqual(await xen.domains(), ["www"])
      t.deepEqual(await xen.network(), { ports: 1, leftOvers: "" })
    },
  )
}

test.serial("a version that fails in production within its probation is put back by itself", async t => {
  const uuid = await xen.uuid()
  const version = await xen.version()
  const given = await xen.given("dies", { probation: 60, drain: 60 })
  const before = xen.provider.engine.lines.length
  const updating = failureOf(xen.provider.update(urn, state, given))
  const onProbation = () =>
    xen.provider.engine.lines.slice(before).some(({ message }) => /on probation/.test(message))
  while (!onProbation()) await new Promise(done => setTimeout(done, 200))
  await xen.machine.run("xl pause www")
  const { says } = await updating
  t.regex(says, /not healthy in production.*it is paused/s)
  t.is(await xen.uuid(), uuid)
  t.is(await xen.version(), version)
  t.deepEqual(await xen.domains(), ["www"])
  t.deepEqual(await xen.network(), { ports: 1, leftOvers: "" })
})

test.serial("recreate: a version that fails is replaced by the one before it", async t => {
  const version = await xen.version()
  const given = await xen.given("bad", { strategy: "recreate" }, "--fail=exit")
  const { says } = await failureOf(xen.provider.update(urn, state, given))
  t.regex(says, /fail: exit.*serves as before/s)
  t.true(await xen.serves(version ?? ""))
  t.deepEqual(await xen.domains(), ["www"])
})

test.serial("what xl can change on a running domain is changed without a restart", async t => {
  await update(await xen.given("live", { memory: 32, maxmem: 64, vcpus: 1, maxvcpus: 2 }))
  const uuid = await xen.uuid()
  await update(
    await xen.given("live", {
      memory: 40,
      maxmem: 64,
      vcpus: 2,
      maxvcpus: 2,
      config: { on_crash: "restart" },
    }),
  )
  t.is(state.outputs.strategy, "live")
  t.is(await xen.uuid(), uuid)
  t.is(await xen.version(), "live")
  t.regex(await xen.machine.run("xl list -l www"), /"target_memkb": 40960/)
  t.deepEqual((await xen.refresh(state)).outputs.drift, [])
})

test.serial(
  "the content of its disk is rolled out like a new version, and read by the unikernel",
  async t => {
    const diskUrn = "urn:pulumi:s::p::xen:index:Disk::www"
    const disk = async (text: string) =>
      (await xen.provider.create(diskUrn, { connection: xen.connection, files: { "index.html": text } }))
        .outputs
    const seen: string[] = []
    for (const text of ["one", "two"]) {
      const { path, digest } = await disk(text)
      await update(
        await xen.given("disk", { disks: [{ path: String(path), vdev: "xvda", digest: String(digest) }] }),
      )
      const digestSeen = /^sha256: (.*)$/m.exec(await xen.fetch("/disk"))?.[1]
      t.is(digestSeen, (await xen.machine.run(`sha256sum <${String(path)}`)).split(" ")[0])
      seen.push(digestSeen ?? "")
    }
    t.is(state.outputs.strategy, "swap")
    t.is(new Set(seen).size, 2)
  },
)

test.serial("a unikernel that restarts by itself comes back with its name, on its own bridge", async t => {
  await update(await xen.given("restarts"))
  await xen.machine.run("xl reboot -F www")
  t.true(await xen.serves("restarts"))
  t.deepEqual(await xen.domains(), ["www"])
  t.deepEqual((await xen.network()).ports, 1)
})

const drifts: [what: string, script: string][] = [
  ["gone", "xl destroy www"],
  ["paused", "xl pause www"],
  ["renamed", "xl rename www other"],
]
for (const [what, script] of drifts) {
  test.serial(`a domain that is ${what} is found by a refresh, and repaired by the next update`, async t => {
    await xen.machine.run(script)
    const seen = await xen.refresh(state)
    t.is((seen.outputs.drift as string[]).length, 1)
    t.is((await xen.provider.client.diff(urn, state.id, seen, state.inputs)).changes, "some")
    state = { ...seen, outputs: await xen.provider.client.update(urn, state.id, seen, state.inputs) }
    t.like(state.outputs, { state: "running", drift: [] })
    t.is(await xen.version(), "restarts")
  })
}

test.serial(
  "killed at thirty boundaries of updates, each next run goes on from there, and the address answers all the time",
  async t => {
    await using boundaries = await Boundaries.start(xen)
    const load = requests(80)
    let version = 0
    let given: Properties = {}
    const next = async () => {
      given = await xen.given(`k${++version}`, { connection: boundaries.connection, drain: 1, probation: 1 })
    }
    await next()
    // A run is struck at its first operation, the next at its second, and so on; after one that came to its end, the
    // next version's update begins. Odd ones are struck before the operation, even ones after it.
    let struck = 0
    for (let at = 1; struck < 30; at = at === 14 ? 1 : at + 1) {
      const provider = await startProvider()
      let hit = false
      boundaries.count = 0
      boundaries.strike = number => {
        if (number !== at) return true
        hit = true
        struck++
        const kill = () => {
          provider.child.kill("SIGKILL")
        }
        if (at % 2 === 0) return kill
        kill()
        return false
      }
      const { inputs } = await provider.client.check(urn, given, state.inputs)
      const outputs = await provider.client
        .update(urn, state.id, state, inputs)
        .catch((error: Error) => error)
      await provider.stop("SIGKILL")
      if (outputs instanceof Error && !hit) throw outputs
      if (!(outputs instanceof Error)) {
        state = { id: state.id, inputs, outputs }
        t.is(await xen.version(), `k${version}`)
        t.deepEqual(await xen.domains(), ["www"])
        t.deepEqual(await xen.network(), { ports: 1, leftOvers: "" }, `after ${struck} kills`)
        await next()
      }
    }
    await update({ ...given, connection: xen.connection })
    t.deepEqual((await load.stop()).failed, [])
    t.is(await xen.version(), `k${version}`)
    t.deepEqual(await xen.domains(), ["www"])
    t.deepEqual(await xen.network(), { ports: 1, leftOvers: "" })
    t.is(
      await xen.machine.run(
        "ls /var/lib/pulumi-xen/domains/www | grep -vE '^(owner|history|current|busy|lock|autostart|[0-9a-f]{12}[.](cfg|json))$' || true",
      ),
      "",
    )
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
  const more = await xen.provider.update(grub, made, { ...given, memory: 72 })
  t.is(more.outputs.strategy, "recreate")
  await xen.provider.client.delete(grub, more.id, more)
  t.deepEqual(await xen.domains(), ["www"])
})

test.serial(
  "a domain that was started by hand is imported, and the program then changes nothing",
  async t => {
    await xen.provider.client.delete(urn, state.id, state)
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
    const { host, user, port, privateKeyPath, hostKey } = xen.connection
    const read = await xen.provider.client.read(urn, `ssh://${user}@${host}:${port}/domains/www`)
    const inputs = {
      ...(read.inputs as Properties),
      connection: { host, user, port, privateKeyPath, hostKey },
    }
    state = { id: read.id, inputs, outputs: read.outputs as Properties }
    t.is(
      (await xen.provider.client.diff(urn, state.id, state, await xen.provider.check(urn, inputs))).changes,
      "none",
    )
    t.is(await xen.uuid(), uuid)
  },
)

test.serial("after a restart of the host the domain is back by itself", async t => {
  await xen.machine.run("xl destroy www")
  state = await xen.provider.create(urn, await xen.given("back", { autostart: true }))
  await xen.machine.reboot()
  t.true(await xen.serves("back"))
  t.deepEqual(await xen.domains(), ["www"])
})
