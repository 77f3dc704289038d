import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import anyTest, { type TestFn } from "ava"
import { failureOf, ProviderUnderTest } from "../helpers/provider.ts"
import { startWiredHost, type WiredHost } from "../helpers/wiredHost.ts"
import { must } from "../host/helpers/run.ts"
import { SETTINGS } from "../host/helpers/settings.ts"

const test = anyTest.serial as TestFn
let provider: ProviderUnderTest
let wired: WiredHost

const urn = "urn:pulumi:s::p::xen:index:Bridge::www1"
const other = "urn:pulumi:t::p::xen:index:Bridge::www1"
const want = (more: object = {}) => ({
  connection: { ...wired.connection },
  name: "xenbr0",
  uplink: "eth0",
  window: 15,
  ...more,
})

/** All that a bridge could change. */
const SETTING = `
cat /etc/network/interfaces /etc/network/interfaces.d/* 2>/dev/null || :
ip -o addr show scope global | sed 's/\\\\.*//'
ip route; ip -o link | sed 's/^[0-9]*: //' | cut -d ' ' -f 1 | sort
find /var/lib/pulumi-xen -type f ! -name lock ! -path '*/guard*' 2>/dev/null | sort || :
`

test.before(async t => {
  t.timeout(300_000)
  wired = await startWiredHost(SETTINGS["ifupdown, static"]!)
  provider = await ProviderUnderTest.start()
})
test.after.always(async () => {
  await provider?.[Symbol.asyncDispose]()
  await wired?.[Symbol.asyncDispose]()
})

const gateway = (ipv4: string) => ({ ipv4: { addresses: ["192.0.2.7/24"], gateway: ipv4 } })

const refused: [what: string, more: object, says: RegExp][] = [
  [
    "an uplink that does not exist",
    { uplink: "eth7" },
    /no interface eth7 .*Name one of these as the uplink: .*eth0/s,
  ],
  ["an uplink without an address", { uplink: "eth1" }, /eth1 has no address that xenbr0 could take over/],
  ["a name that a link has already", { name: "eth1" }, /There is .* eth1 already, which was not made by/],
  [
    "an address that another machine answers at",
    { extraAddresses: ["192.0.2.1/24"] },
    /192\.0\.2\.1, which another machine on its network has already/,
  ],
  [
    "an address of another link of the host",
    { uplink: "eth1", addressing: { ipv4: { addresses: ["192.0.2.7/24"] } } },
    /192\.0\.2\.7, which eth0 of this host has already/,
  ],
]
for (const [what, more, says] of refused) {
  test(`${what} is refused in a sentence, before anything is changed, and by the preview as well`, async t => {
    const before = await wired.inside(SETTING)
    t.regex((await failureOf(provider.preview(urn, want(more)))).says, says)
    const failed = await failureOf(provider.create(urn, want(more)))
    t.regex(failed.says, says)
    t.is(failed.saved, undefined)
    t.is(await wired.inside(SETTING), before)
  })
}

test("a preview says what would be done, and what it costs, and does nothing", async t => {
  const before = await wired.inside(SETTING)
  const lines = await provider.preview(urn, want())
  t.true(
    lines.some(line => /^would make the bridge xenbr0 with eth0 as its port \(guarded: /.test(line)),
    lines.join("\n"),
  )
  t.is(await wired.inside(SETTING), before)
})

test("a host that does not answer yet is one line of a preview, and no error", async t => {
  const lines = await provider.preview(urn, want({ connection: { ...wired.connection, port: 1 } }))
  t.is(lines.length, 1)
  t.regex(lines[0]!, /cannot be asked yet what would change/)
})

test("a gateway that leads nowhere is taken back by the host; the right one then converges", async t => {
  t.timeout(300_000)
  const before = await wired.inside("ip -4 route show default; cat /etc/network/interfaces")
  const wrong = want({ addressing: gateway("192.0.2.99") })
  const failed = await failureOf(provider.create(urn, wrong))
  t.regex(failed.says, /The host has taken the change back and is on its old setting/)
  t.like(failed.saved, { id: "xenbr0", outputs: { guard: "reverted" } })
  t.is(await wired.inside("ip -4 route show default; cat /etc/network/interfaces"), before)

  const { id, inputs, outputs } = failed.saved!
  const made = await provider.update(urn, { id, inputs, outputs }, want())
  t.like(made.outputs, { name: "xenbr0", port: "eth0", manager: "ifupdown", guard: "confirmed" })

  // The same of a bridge that there is: what was not to be is in the state, and looked for.
  const { saved } = await failureOf(provider.update(urn, made, wrong))
  t.like(saved, { outputs: { guard: "reverted" } })
  const told = provider.engine.lines.length
  const found = await provider.client.read(urn, id, saved!)
  t.is(found?.outputs.guard, "reverted")
  const says = provider.engine.lines.slice(told).map(({ message }) => message)
  t.regex(
    says.join("\n"),
    /not as wanted\. To be done: .*The host has taken an earlier try back \(".*armed.*the old setting is back/s,
  )
  const again = await provider.update(urn, { ...found!, id }, want())
  t.is(again.outputs.guard, "confirmed")
  await provider.client.delete(urn, id, made)
  t.is(await wired.inside("ip -4 route show default; cat /etc/network/interfaces"), before)
})

const silent: [what: string, addressing: object, says: RegExp][] = [
  [
    "for IPv4, where who looks is on the host's own link",
    gateway("192.0.2.99"),
    /no gateway answers at 192\.0\.2\.99 on xenbr0/,
  ],
  [
    "for IPv6, where who looks comes by IPv4",
    { ...gateway("192.0.2.1"), ipv6: { addresses: ["2001:db8::7/64"], gateway: "2001:db8::99" } },
    /no gateway answers at 2001:db8::99 on xenbr0/,
  ],
]
for (const [what, addressing, says] of silent)
  test(`a gateway at which nobody answers is taken back though the host answers: ${what}`, async t => {
    t.timeout(300_000)
    const asking = (source: string) => [
      ...["ip", "-n", wired.host.router, "route", "replace", "192.0.2.0/24", "dev", "wire", "src", source],
    ]
    await must(asking("192.0.2.1"))
    t.teardown(() => must(asking("198.18.0.1")))
    // Whose the bridge is stays noted, as after every try.
    const setting = SETTING.replace("! -name lock", "-name '*.json'")
    const before = await wired.inside(setting)
    const failed = await failureOf(provider.create(urn, want({ addressing })))
    t.regex(failed.says, says)
    t.like(failed.saved, { id: "xenbr0", outputs: { guard: "reverted" } })
    t.is(await wired.inside(setting), before)
  })

test("gateways that answer, and a static route to nobody, are no reason to take a bridge back", async t => {
  t.timeout(300_000)
  await must(["ip", "-n", wired.host.router, "addr", "add", "192.0.2.3/24", "dev", "wire"])
  const ipv6 = { addresses: ["2001:db8::7/64"], gateway: "fe80::1" }
  await must(["ip", "-n", wired.host.router, "addr", "add", "fe80::1/64", "dev", "wire", "nodad"])
  const routes = [{ destination: "198.18.7.0/24", gateway: "192.0.2.98" }]
  const made = await provider.create(urn, want({ addressing: { ...gateway("192.0.2.3"), ipv6, routes } }))
  t.is(made.outputs.guard, "confirmed")
  await provider.client.delete(urn, made.id, made)
})

test("a bridge's life: made, found again, mended when it drifts, foreign to others, gone", async t => {
  t.timeout(300_000)
  const before = await wired.inside(SETTING)
  const made = await provider.create(urn, want())
  t.like(made.outputs, { name: "xenbr0", port: "eth0", mac: "02:00:00:00:00:07", guard: "confirmed" })
  t.deepEqual(made.outputs.addresses, ["192.0.2.7/24", "2001:db8::7/64"])
  t.true(
    provider.engine.lines.some(({ message }) => /^guard of "Make the bridge xenbr0.*confirmed/.test(message)),
    "the user is told what the guard did",
  )

  const again = await provider.create(urn, want())
  t.deepEqual(again.outputs, { ...made.outputs }, "what an interrupted run has made is taken up")
  const foreign = await failureOf(provider.create(other, want()))
  t.regex(foreign.says, /the bridge xenbr0 belongs to another resource of Pulumi: urn:pulumi:s::p::/)

  const clean = await provider.client.read(urn, made.id, made)
  t.deepEqual(clean.outputs, made.outputs, "a refresh finds nothing")
  await wired.inside("ip link set xenbr0 type bridge stp_state 1")
  const drifted = { ...made, ...(await provider.client.read(urn, made.id, made)) }
  t.deepEqual(drifted.outputs.drift, ["Change the bridge xenbr0 with eth0 as its port"])
  t.like(await provider.client.diff(urn, made.id, drifted, made.inputs), { detail: { drift: "update" } })
  const mended = await provider.update(urn, drifted, want())
  t.deepEqual(mended.outputs.drift, [])
  t.is((await wired.inside("cat /sys/class/net/xenbr0/bridge/stp_state")).trim(), "0")

  const isolated = await provider.client.diff(urn, made.id, mended, omitted(mended.inputs, "uplink"))
  t.like(isolated, { replaces: ["uplink"], deleteBeforeReplace: true }, "another port is another bridge")

  await provider.client.delete(urn, made.id, mended)
  t.is(await wired.inside(SETTING), before)
  await provider.client.delete(urn, made.id, mended)
  t.is((await provider.client.read(urn, made.id, mended)).id, "", "what is gone is found to be gone")
})

/** What the provider's configuration says of all hosts: an id to import names no key. */
async function trusted(): Promise<{ at: string; directory: string }> {
  const { host, port, hostKey, privateKeyPath } = wired.connection
  const directory = await mkdtemp(join(tmpdir(), "import-"))
  const knownHosts = join(directory, "known_hosts")
  await writeFile(knownHosts, `[${host}]:${port} ${hostKey}\n`)
  await provider.client.configure({ privateKeyPath, knownHosts: [knownHosts] })
  return { at: `ssh://root@${host}:${port}/bridges`, directory }
}

const settings: [what: string, more: object, says: object][] = [
  ["with all that its uplink had", {}, {}],
  ["and more", { extraAddresses: ["192.0.2.8/24"] }, { extraAddresses: ["192.0.2.8/24"] }],
  [
    "with what a program said",
    { addressing: gateway("192.0.2.1") },
    {
      addressing: {
        ...{ ipv4: { automatic: false, ...gateway("192.0.2.1").ipv4 } },
        ...{ routes: [], dns: [], search: [] },
      },
    },
  ],
  ["isolated", { uplink: undefined }, { uplink: undefined, addressing: "none" }],
]
for (const [what, more, says] of settings) {
  test(`a bridge ${what} is imported: the program that is read from the host changes nothing`, async t => {
    t.timeout(300_000)
    const { at, directory } = await trusted()
    const made = await provider.create(urn, want(more))
    const found = await provider.client.read(urn, `${at}/xenbr0`)
    t.is(found.id, "xenbr0")
    const { connection: _, ...inputs } = found.inputs
    t.deepEqual(
      inputs,
      definedOf({ ...{ name: "xenbr0", uplink: "eth0", extraAddresses: [], window: 60 }, ...says }),
    )
    t.deepEqual(found.outputs, { ...made.outputs, guard: "none" })
    const again = await provider.client.read(urn, found.id, {
      ...found,
      inputs: { ...inputs, connection: made.inputs.connection },
    })
    t.deepEqual(again.outputs.drift, [])
    await provider.client.delete(urn, made.id, made)
    await rm(directory, { recursive: true })
  })
}

test("a bridge that somebody made by hand is not imported, and one that is not there is not found", async t => {
  const { at, directory } = await trusted()
  await wired.inside("ip link add byhand type bridge")
  const failed = await failureOf(provider.client.read(urn, `${at}/byhand`))
  t.regex(failed.says, /the bridge byhand was not made by this program/)
  t.is((await provider.client.read(urn, `${at}/nowhere`)).id, "")
  await wired.inside("ip link del byhand")
  await rm(directory, { recursive: true })
})

const omitted = (properties: object, name: string) =>
  Object.fromEntries(Object.entries(properties).filter(([key]) => key !== name))
const definedOf = (properties: object) =>
  Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined))
