import anyTest, { type TestFn } from "ava"
import { ProviderUnderTest } from "../helpers/provider.ts"
import { startWiredHost, type WiredHost } from "../helpers/wiredHost.ts"
import { SETTINGS } from "../host/helpers/settings.ts"

const test = anyTest.serial as TestFn
let provider: ProviderUnderTest
let wired: WiredHost

test.before(async t => {
  t.timeout(300_000)
  const setting = SETTINGS["systemd-networkd, static"]!
  // The server tells what is asked of it.
  const files = { ...setting.files, "/etc/ssh/sshd_config.d/verbose.conf": "LogLevel VERBOSE\n" }
  wired = await startWiredHost({ ...setting, files })
  provider = await ProviderUnderTest.start()
})
test.after.always(async () => {
  await provider?.[Symbol.asyncDispose]()
  await wired?.[Symbol.asyncDispose]()
})

const said = async (words: string) =>
  Number(await wired.inside(`journalctl --no-pager -u ssh | grep -c '${words}' || :`))
/** Commands that were run over SSH since the host was started. */
const asked = () => said("Starting session: command")
/** Connections that were made. */
const connected = () => said("Accepted publickey")

test("a refresh asks a host once; a creation that finds all as wanted takes the lock, asks once, and lets go", async t => {
  const urn = "urn:pulumi:s::p::xen:index:Packages::base"
  const given = { connection: { ...wired.connection }, packages: ["dpkg"] }
  const start = await asked()
  const made = await provider.create(urn, given)
  t.is(await asked(), start + 3)
  await provider.client.read(urn, made.id, made)
  t.is(await asked(), start + 4)
  t.like(made.outputs, { drift: [], added: [] }, "what was there before is not ours to remove")
})

test("a refresh of all that a Xen host consists of is one connection and one question", async t => {
  t.timeout(300_000)
  const connection = { ...wired.connection }
  const urn = (type: string, name = "www1") => `urn:pulumi:s::p::xen:index:XenHost$xen:index:${type}::${name}`
  const [packages, bridge, inside] = [urn("Packages"), urn("Bridge"), urn("Bridge", "www1-inside0")]
  const parts = {
    [packages]: await provider.create(packages, { connection, packages: ["dpkg"] }),
    [bridge]: await provider.create(bridge, { connection, name: "xenbr0", uplink: "eth0", window: 60 }),
    [inside]: await provider.create(inside, { connection, name: "inside0" }),
  }
  const dom0 = await provider.check(urn("Dom0"), { connection, memory: 512 })
  // As the engine does: a provider of its own, which has not connected yet, is asked for all at once.
  await using refresh = await ProviderUnderTest.start()
  const [questions, connections] = [await asked(), await connected()]
  const [gone, ...found] = await Promise.all([
    refresh.client.read(urn("Dom0"), "0123456789abcdef0123456789abcdef", { inputs: dom0, outputs: {} }),
    ...Object.entries(parts).map(([name, made]) => refresh.client.read(name, made.id, made)),
  ])
  t.is(await asked(), questions + 1)
  t.is(await connected(), connections + 1)
  t.deepEqual(
    found.map(({ outputs }) => outputs),
    Object.values(parts).map(({ outputs }) => outputs),
    "each finds what it was made as",
  )
  t.is(gone?.id, "", "a host in namespaces has no Xen: the one that is asked for is on another machine")
  for (const [name, made] of Object.entries(parts).reverse())
    await provider.client.delete(name, made.id, made)
})

test("resources that reach a host with other settings do not share a question", async t => {
  const urn = (name: string) => `urn:pulumi:s::p::xen:index:Packages::${name}`
  const made = await Promise.all(
    [10_000, 20_000].map(connectTimeout =>
      provider.create(urn(`within${connectTimeout}`), {
        connection: { ...wired.connection, connectTimeout },
        packages: ["dpkg"],
      }),
    ),
  )
  const start = await asked()
  await Promise.all(
    made.map((one, at) => provider.client.read(urn(`within${(at + 1) * 10_000}`), one.id, one)),
  )
  t.is(await asked(), start + 2)
})

test("getHost asks a host once, and its facts are typed values", async t => {
  const start = await asked()
  const { outputs, failures } = await provider.client.invoke("xen:index:getHost", {
    connection: { ...wired.connection },
    packages: ["dpkg", "px-nowhere"],
  })
  t.deepEqual(failures, [])
  t.is(await asked(), start + 1)
  t.like(outputs, { user: "root", root: true, packageManager: "apt" })
  t.like(outputs.os, { id: "debian", family: "debian" })
  t.like(outputs.network, { manager: "systemd-networkd", uplink: "eth0" })
  const { routes } = outputs.network as { routes: { destination: string; link: string }[] }
  t.true(routes.some(({ destination, link }) => destination === "default" && link === "eth0"))
  t.true((outputs.disks as { size: number }[]).some(({ size }) => size > 0))
  t.deepEqual(outputs.logicalVolumes, [], "only with `full`")
  t.deepEqual(Object.keys(outputs.packages as object), ["dpkg"])
  t.true((outputs.memory as number) > 0 && (outputs.cpus as number) > 0)
})
