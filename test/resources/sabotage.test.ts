import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import anyTest, { type TestFn } from "ava"
import { ProviderUnderTest } from "../helpers/provider.ts"
import { ProviderClient } from "../helpers/providerClient.ts"
import { startWiredHost, type WiredHost } from "../helpers/wiredHost.ts"
import { Random } from "../host/helpers/random.ts"
import { whenItAnswers } from "../host/helpers/reach.ts"
import { makeRepository } from "../host/helpers/repository.ts"
import { SETTINGS } from "../host/helpers/settings.ts"

const test = anyTest.serial as TestFn
const random = new Random(6)
let provider: ProviderUnderTest
let wired: WiredHost

test.before(async t => {
  t.timeout(300_000)
  provider = await ProviderUnderTest.start()
  wired = await startWiredHost(SETTINGS["ifupdown, static"]!)
})
test.after.always(async () => {
  await provider?.[Symbol.asyncDispose]()
  await wired?.[Symbol.asyncDispose]()
})

/** A provider in a process of its own, to be killed without a word. */
async function startProvider(): Promise<{ child: ChildProcess; client: ProviderClient }> {
  const program = fileURLToPath(new URL("../../provider/main.ts", import.meta.url))
  const child = spawn(process.execPath, [program, provider.engine.address], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  const [port] = (await once(createInterface(child.stdout!), "line")) as [string]
  const client = new ProviderClient(Number(port))
  await client.handshake(provider.engine.address)
  return { child, client }
}

/** Begins something and kills the provider; whether it was done by then, nobody learns. */
async function beginAndKill(
  begin: (client: ProviderClient) => Promise<unknown>,
  moment: number | Promise<unknown>,
): Promise<void> {
  const { child, client } = await startProvider()
  const begun = begin(client).catch(() => undefined)
  await (typeof moment === "number" ? sleep(moment) : moment)
  child.kill("SIGKILL")
  await begun
  client.close()
}

const urn = "urn:pulumi:s::p::xen:index:Bridge::www1"
const bridge = () => ({ connection: { ...wired.connection }, name: "xenbr0", uplink: "eth0", window: 15 })
const setting = () =>
  wired.inside(`
    cat /etc/network/interfaces; ls /etc/network/interfaces.d
    ip -4 -o addr show scope global | awk '{print $2, $4}'; ip -4 route | sort; ls /sys/class/net | sort`)

const moments = [300, 1000, 2000, 3500].map(most => random.below(most))
for (const moment of moments) {
  test(`a provider killed ${moment} ms into making a bridge: the next run makes it, and it can be taken back`, async t => {
    t.timeout(300_000)
    const before = await setting()
    const inputs = await provider.check(urn, bridge())
    await beginAndKill(client => client.create(urn, inputs), moment)
    const made = await provider.create(urn, bridge())
    t.like(made.outputs, { name: "xenbr0", port: "eth0", guard: "confirmed", drift: [] })
    t.regex(await wired.inside("ip -4 route show default"), /via 192\.0\.2\.1 dev xenbr0/)
    await provider.client.delete(urn, made.id, made)
    t.is(await setting(), before)
  })
}

test("what the guard of a killed run has taken back, the next run tells", async t => {
  t.timeout(300_000)
  const guard = "/var/lib/pulumi-xen/guard/network"
  const unconfirmed = wired.inside(`timeout 60 sh -c '
    until grep -qs state=armed ${guard}/state && grep -qs "the change is made" ${guard}/log; do sleep 0.1; done'`)
  const inputs = await provider.check(urn, bridge())
  await beginAndKill(client => client.create(urn, inputs), unconfirmed)
  const told = provider.engine.lines.length
  const made = await provider.create(urn, bridge())
  const says = provider.engine.lines.slice(told).map(({ message }) => message)
  t.regex(
    says.join("\n"),
    /^The host has taken an earlier try back \("Make the bridge xenbr0.*the old setting is back$/m,
  )
  t.is(made.outputs.guard, "confirmed")
  await provider.client.delete(urn, made.id, made)
})

for (const moment of moments.slice(1)) {
  test(`a provider killed ${moment} ms into removing a bridge: the next run removes it`, async t => {
    t.timeout(300_000)
    const before = await setting()
    const made = await provider.create(urn, bridge())
    await beginAndKill(client => client.delete(urn, made.id, made), moment)
    await provider.client.delete(urn, made.id, made)
    t.is(await setting(), before)
  })
}

for (const moment of moments.slice(2)) {
  test(`the power fails ${moment} ms into making a bridge: the host is back on its network, and the next run makes it`, async t => {
    t.timeout(300_000)
    const before = await setting()
    const creating = provider.create(urn, bridge()).catch(() => undefined)
    await sleep(moment)
    await wired.host.powerCut()
    await wired.host.powerOn()
    await whenItAnswers(wired.host)
    await creating
    const made = await provider.create(urn, bridge())
    t.like(made.outputs, { name: "xenbr0", port: "eth0", drift: [] })
    await provider.client.delete(urn, made.id, made)
    t.is(await setting(), before)
  })
}

test("a provider killed in the middle of an installation: the next run mends it and counts what was added", async t => {
  t.timeout(300_000)
  const key = await makeRepository(wired.host, "deb", "debian")
  const set = "urn:pulumi:s::p::xen:index:Packages::tools"
  const given = {
    connection: { ...wired.connection },
    packages: ["px-hello"],
    repositories: [{ name: "own", url: "file:///srv/repo", key }],
  }
  // px-lib waits in its installation while this file is there.
  await wired.inside("touch /tmp/slow")
  const half = wired.inside("timeout 120 sh -c 'until pgrep -f px-lib.postins[t]; do sleep 0.1; done'")
  const inputs = await provider.check(set, given)
  await beginAndKill(client => client.create(set, inputs), half)
  await wired.inside("rm /tmp/slow")
  const made = await provider.create(set, given)
  t.deepEqual(made.outputs.added, ["px-hello", "px-lib"])
  t.like(made.outputs, { versions: { "px-hello": "2.0" }, drift: [] })
  await provider.client.delete(set, made.id, made)
  t.is(await wired.inside("dpkg-query -W 'px-*' 2>/dev/null || :"), "")
})
