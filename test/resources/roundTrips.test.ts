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

/** Commands that were run over SSH since the host was started. */
const asked = async () =>
  Number(await wired.inside("journalctl --no-pager -u ssh | grep -c 'Starting session: command' || :"))

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
