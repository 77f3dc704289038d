import { spawnSync } from "node:child_process"
import { setTimeout as sleep } from "node:timers/promises"
import anyTest, { type TestFn } from "ava"
import { failureOf, ProviderUnderTest } from "../helpers/provider.ts"
import type { SavedState } from "../helpers/providerClient.ts"
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

/** Not every kernel that runs the tests can make VLANs; without, it is only seen what becomes of the attempt. */
const TRY = "ip link add a type veth peer name b && ip link add link a name a.7 type vlan id 7"
const hasVlans = spawnSync("unshare", ["--net", "sh", "-c", TRY]).status === 0

/** The other end of the host's wire has VLAN 7 as well. */
const FAR_END = `
ip link add link wire name wire.7 type vlan id 7
ip addr add 10.7.0.1/24 dev wire.7; ip addr add 2001:db8:7::1/64 dev wire.7 nodad; ip link set wire.7 up`
/** How often NetworkManager has set up the uplink. */
const ACTIVATION = "if [ -d /run/NetworkManager ]; then nmcli -g GENERAL.CON-PATH device show eth0; fi"
/** What each manager says when it is refused the VLAN that it was told to make. */
const ATTEMPTS: Record<string, RegExp> = {
  ifupdown: /Unknown device type/,
  NetworkManager: /do-add-link\[eth0\.7\/vlan\]/,
  "systemd-networkd": /eth0: Could not create stacked netdev: Unknown device type/,
}
const ON_VLAN = ["10.7.0.2/24", "10.7.0.3/24", "2001:db8:7::2/64"]
const onVlan = (wired: WiredHost, window: number) => ({
  ...{ connection: wired.connection, name: "xenbr7", uplink: "eth0", vlan: 7, window },
  ...{ addressing: { ipv4: { addresses: ON_VLAN.slice(0, 1) } }, extraAddresses: ON_VLAN.slice(1) },
})

/** The ports of the bridge, once they are as said or half a minute is over: a manager's start takes its time. */
async function portsOnce(wired: WiredHost, said: string): Promise<string> {
  for (let tries = 0; ; tries++) {
    const ports = await wired.inside("ls /sys/class/net/xenbr7/brif 2>/dev/null || :")
    if (ports === said || tries === 60) return ports
    await sleep(500)
  }
}

/** What a refresh finds; after a restart the first may find that its connection is gone. */
async function driftOf(state: Omit<SavedState, "reasons">): Promise<unknown> {
  const read = () => provider.client.read(urn(state.id), state.id, state)
  return (await read().catch(read)).outputs.drift
}

for (const setting of ["ifupdown, static", "NetworkManager, static", "systemd-networkd, static"]) {
  if (hasVlans)
    test(`${setting}: a bridge on a VLAN of the uplink, which stays as it is; also after a restart; and it goes again`, async t => {
      t.timeout(600_000)
      await using wired = await startWiredHost(SETTINGS[setting]!)
      const { host } = wired
      await must(["ip", "netns", "exec", host.router, "sh", "-eu", "-c", FAR_END])
      const before = await wired.inside(SETTING)
      const activation = await wired.inside(ACTIVATION)
      const made = await provider.create(urn("xenbr7"), onVlan(wired, 60))
      t.like(made.outputs, { port: "eth0.7", addresses: ON_VLAN, guard: "confirmed" })
      t.is(await wired.inside(ACTIVATION), activation)

      const works = async () => {
        t.is(await portsOnce(wired, "eth0.7\n"), "eth0.7\n")
        for (const cidr of [...ON_VLAN, "192.0.2.7/24"]) await reaches(wired, cidr.split("/")[0]!)
        t.regex(
          await wired.inside("ip -d link show eth0.7"),
          /eth0\.7@eth0: [\s\S]* vlan protocol 802\.1Q id 7 /,
        )
      }
      await works()
      t.deepEqual(await driftOf(made), [])
      await host.powerCut()
      // The namespace outlives the host, and a machine's links do not.
      for (const link of ["eth0.7", "xenbr7"]) await must(["ip", "-n", host.id, "link", "delete", link])
      await host.powerOn()
      await works()
      t.deepEqual(await driftOf(made), [])

      const restarted = await wired.inside(ACTIVATION)
      await provider.client.delete(urn("xenbr7"), "xenbr7", made)
      t.is(await wired.inside(SETTING), before)
      t.is(await wired.inside(ACTIVATION), restarted)
      await reaches(wired, "192.0.2.7")
    })

  if (!hasVlans)
    test(`${setting}: a VLAN that the kernel cannot make is taken back, and the uplink stays as it is`, async t => {
      t.timeout(600_000)
      await using wired = await startWiredHost(SETTINGS[setting]!)
      const before = await wired.inside(SETTING)
      const activation = await wired.inside(ACTIVATION)
      const failed = await failureOf(provider.create(urn("xenbr7"), onVlan(wired, 15)))
      t.regex(failed.says, /The host has taken the change back and is on its old setting/)
      t.is(await wired.inside(SETTING), before)
      t.is(await wired.inside(ACTIVATION), activation, "it was not set up again")
      const log = await wired.inside(
        "journalctl --no-pager -o cat; cat /var/lib/pulumi-xen/guard/network/log",
      )
      t.regex(log, ATTEMPTS[setting.split(",")[0]!]!)
      t.notRegex(log, /Unknown (key|section|lvalue)|Failed to parse|invalid (setting|value)/i)
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
  t.regex(failed.says, /\/etc\/network\/interfaces .* without its line 21: .* Move the stanzas /)
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
