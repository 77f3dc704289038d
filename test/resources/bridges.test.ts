import anyTest, { type TestFn } from "ava"
import { failureOf, ProviderUnderTest } from "../helpers/provider.ts"
import { startWiredHost, type WiredHost } from "../helpers/wiredHost.ts"
import { must } from "../host/helpers/run.ts"
import { SETTINGS } from "../host/helpers/settings.ts"

const test = anyTest.serial as TestFn
let provider: ProviderUnderTest

test.before(async () => {
  provider = await ProviderUnderTest.start()
})
test.after.always(async () => {
  await provider?.[Symbol.asyncDispose]()
})

const urn = (name: string) => `urn:pulumi:s::p::xen:index:Bridge::${name}`

/** All that a bridge could change. */
const SETTING = `
find /etc/network /etc/systemd/network /etc/NetworkManager -type f | sort | xargs md5sum
ip -o -4 addr show scope global | awk '{print $2, $4}' | sort
ip -4 route | sed 's/ proto.*//; s/ metric.*//' | sort; ls /sys/class/net | sort`

async function reaches({ host: { router } }: WiredHost, address: string): Promise<void> {
  await must(["ip", "netns", "exec", router, "ping", "-c", "1", "-W", "1", "-w", "20", address])
}

for (const setting of ["ifupdown, static", "NetworkManager, static", "systemd-networkd, static"]) {
  test(`${setting}: a bridge with more addresses, and one that is isolated beside it; both go again`, async t => {
    t.timeout(600_000)
    await using wired = await startWiredHost(SETTINGS[setting]!)
    const before = await wired.inside(SETTING)
    const { connection } = wired
    const make = (given: { name: string; [property: string]: unknown }) =>
      provider.create(urn(given.name), { connection, window: 60, ...given })

    const main = await make({ name: "xenbr0", uplink: "eth0", extraAddresses: ["192.0.2.70/24"] })
    await reaches(wired, "192.0.2.70")
    const isolated = await make({
      ...{ name: "inside0", addressing: { ipv4: { addresses: ["10.9.0.1/24"] } } },
    })
    t.like(isolated.outputs, { port: undefined, addresses: ["10.9.0.1/24"], guard: "none" })
    t.is(await wired.inside("ls /sys/class/net/inside0/brif"), "", "nothing is on it")
    for (const one of [main, isolated]) {
      const { outputs } = await provider.client.read(urn(one.id), one.id, one)
      t.deepEqual(outputs.drift, [], one.id)
    }

    for (const one of [isolated, main]) await provider.client.delete(urn(one.id), one.id, one)
    t.is(await wired.inside(SETTING), before)
    await reaches(wired, "192.0.2.7")
  })
}

const WIFI = `
iface wlan0 inet dhcp
    wpa-ssid home
    wpa-psk sesame`
/** The user's own: a command whose path speaks of a secret, and no newline at the end. */
const HOOK = "    post-up /root/secret.sh\n"

test("a file of the user's that holds a key is not written anew; with the key in a file of its own, all comes back byte by byte", async t => {
  t.timeout(600_000)
  const setting = SETTINGS["ifupdown, static"]!
  const main = "/etc/network/interfaces"
  const own = setting.files![main]!.replace(/(?=iface eth0 inet6)/, HOOK)
  await using wired = await startWiredHost(setting)
  const put = (path: string, content: string) =>
    wired.host.inside(["sh", "-c", 'cat >"$1" && chmod 755 "$1"', "sh", path], content)
  await put("/root/secret.sh", '#!/bin/sh\necho "ran on $IFACE" >>/root/ran\n')
  await put(main, own + WIFI)
  const before = await wired.inside(SETTING)
  const given = { connection: wired.connection, name: "xenbr0", uplink: "eth0", window: 60 }
  const failed = await failureOf(provider.create(urn("one"), given))
  t.regex(failed.says, /\/etc\/network\/interfaces .* without its line 20: .* Move the stanzas /)
  t.notRegex(JSON.stringify([failed, provider.engine.lines]), /sesame/)
  t.is(failed.saved, undefined)
  t.is(await wired.inside(SETTING), before)

  await put(main, own.trimEnd())
  await put("/etc/network/interfaces.d/wlan0", WIFI)
  const moved = await wired.inside(SETTING)
  const made = await provider.create(urn("one"), given)
  t.regex(await wired.inside("cat /root/ran"), /ran on xenbr0/)
  await provider.client.delete(urn("one"), made.id, made)
  t.is(await wired.inside(SETTING), moved)
  t.notRegex(await wired.inside("cat -- $(find /var/lib/pulumi-xen/networks -type f)"), /sesame/)
})

test("two hosts are changed at the same time, each by its own connection and under its own lock", async t => {
  t.timeout(600_000)
  await using one = await startWiredHost(SETTINGS["ifupdown, static"]!)
  await using two = await startWiredHost(SETTINGS["systemd-networkd, static"]!)
  const begun: string[] = []
  const make = async (wired: WiredHost, name: string) => {
    const given = { connection: wired.connection, name: "xenbr0", uplink: "eth0", window: 60 }
    begun.push(`${name} begins`)
    const made = await provider.create(urn(name), given)
    begun.push(`${name} ends`)
    return made
  }
  const made = await Promise.all([make(one, "one"), make(two, "two")])
  t.deepEqual(begun.slice(0, 2), ["one begins", "two begins"])
  for (const { outputs } of made) t.like(outputs, { name: "xenbr0", port: "eth0", guard: "confirmed" })
  await Promise.all(
    made.map((state, at) => provider.client.delete(urn(["one", "two"][at]!), state.id, state)),
  )
})
