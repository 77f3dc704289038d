import { setTimeout as sleep } from "node:timers/promises"
import test from "ava"
import { readFacts } from "../../provider/host/facts/probe.ts"
import type { HostFacts } from "../../provider/host/facts/types.ts"
import { guarded } from "../../provider/host/guard/guarded.ts"
import { planBridge, planBridgeRemoval, resolveBridge } from "../../provider/host/network/bridge.ts"
import { lostSince } from "../../provider/host/network/drift.ts"
import type { Plan } from "../../provider/host/step.ts"
import type { Connection } from "../../provider/ssh/index.ts"
import { TestHost } from "./helpers/container.ts"
import { dhcpClients } from "./helpers/dhcpClients.ts"
import { whenItAnswers } from "./helpers/reach.ts"
import { ADVERTISED, SETTINGS } from "./helpers/settings.ts"

const WANTED = { name: "xenbr0", uplink: "eth0", window: 60 }

for (const [setting, options] of Object.entries(SETTINGS))
  test.serial(
    `${setting}: a bridge takes the uplink's place, survives a restart, and gives it back`,
    async t => {
      const host = await TestHost.start(options)
      t.teardown(() => host.stop())
      const address = await whenItAnswers(host)
      const connection = host.connection(address)
      // The one of the link, which it makes itself, among them.
      const isOfLink = (one: string) => one.startsWith("fe80:")
      const before = await factsOnce(connection, facts => uplinkAddresses(facts).some(isOfLink))
      const former = uplinkAddresses(before)
      const clients = await dhcpClients(connection)
      const expected = setting.split(",")[0]
      const isStatic = setting.endsWith("static")
      t.is(before.network.manager, expected as typeof before.network.manager)

      const [make] = planBridge(before, WANTED)
      await guarded(connection, make!, {
        verify: nothingLeft(fresh => readFacts(fresh).then(f => planBridge(f, WANTED))),
      })
      const bridged = await readFacts(connection)
      const link = (name: string) => bridged.network.links.find(one => one.name === name)
      t.is(bridged.network.uplink, "xenbr0")
      t.is(link("xenbr0")?.mac, link("eth0")?.mac)
      t.is(link("xenbr0")?.bridge?.stp, false)
      t.is(link("eth0")?.controller, "xenbr0")
      t.is(bridged.guards[0]?.state, "confirmed")
      t.deepEqual(planBridge(bridged, WANTED), [], "a second run does nothing")
      t.is(await dhcpClients(connection), clients, "somebody renews the lease")
      if (isStatic) t.is(await besideOf(host), BESIDE)

      await host.powerCut()
      await host.powerOn()
      t.is(await whenItAnswers(host), address)
      // IPv6 comes a moment after IPv4.
      const isSettled = (facts: HostFacts) => planBridge(facts, WANTED).length === 0
      const restarted = await factsOnce(host.connection(address), isSettled)
      t.deepEqual(planBridge(restarted, WANTED), [], "after a restart too")
      if (isStatic) t.is(await besideOf(host), BESIDE)
      t.is(restarted.guards[0]?.state, "confirmed")

      const [removal] = planBridgeRemoval(restarted, "xenbr0")
      const remains = async (fresh: Connection) => {
        const facts = await readFacts(fresh)
        const bridge = facts.network.links.some(({ name }) => name === "xenbr0")
        return bridge || facts.network.uplink !== "eth0" ? planBridge(before, WANTED) : []
      }
      await guarded(connection, removal!, { verify: nothingLeft(remains) })
      const after = await readFacts(connection)
      t.deepEqual(after.network.files, before.network.files)
      t.deepEqual(planBridgeRemoval(after, "xenbr0"), [], "a second removal does nothing")
      t.is(await dhcpClients(connection), clients, "somebody renews the lease")
      const missing = (facts: HostFacts) => former.filter(one => !uplinkAddresses(facts).includes(one))
      t.deepEqual(missing(await factsOnce(connection, facts => missing(facts).length === 0)), [])
    },
  )

for (const [manager, options] of Object.entries(ADVERTISED))
  test.serial(
    `${manager}: a default route that a router advertises to a static IPv6 address moves with it, and is there after a restart`,
    async t => {
      const host = await TestHost.start(options)
      t.teardown(() => host.stop())
      const address = await whenItAnswers(host)
      const connection = host.connection(address)
      const leads = (link: string) => (facts: HostFacts) =>
        facts.network.routes.some(
          route => route.family === 6 && route.destination === "default" && route.link === link,
        )
      const before = await factsOnce(connection, leads("eth0"))
      const uplink = before.network.links.find(({ name }) => name === "eth0")!
      t.deepEqual(
        uplink.addresses.filter(({ dynamic }) => dynamic),
        [],
        "no address is made of what is advertised",
      )
      const [make] = planBridge(before, WANTED)
      await guarded(connection, make!, {
        verify: async fresh => {
          const facts = await readFacts(fresh)
          const lost = lostSince(facts, before, resolveBridge(facts, WANTED))
          if (lost.length > 0 || planBridge(facts, WANTED).length > 0) throw new Error(`not yet: ${lost}`)
        },
      })
      t.true(leads("xenbr0")(await readFacts(connection)))
      await host.powerCut()
      await host.powerOn()
      t.is(await whenItAnswers(host), address)
      const restarted = await factsOnce(host.connection(address), leads("xenbr0"))
      t.true(leads("xenbr0")(restarted))
      t.true(
        restarted.network.links.some(({ addresses }) =>
          addresses.some(({ cidr }) => cidr === "2001:db8::7/64"),
        ),
      )
    },
  )

/** The bridge's static route and name servers: each manager shows these in its own way. */
const BESIDE = "198.51.100.0/24 via 192.0.2.9\nDNS 192.0.2.53\n"
const LOOK = `ip -4 route show 198.51.100.0/24 dev xenbr0 | grep -o '^.* via [^ ]*'
if systemctl is-active -q NetworkManager; then nmcli -g IP4.DNS device show xenbr0
elif systemctl is-active -q systemd-networkd; then sed -n 's/^DNS=//p' "/run/systemd/netif/links/$(cat /sys/class/net/xenbr0/ifindex)"
else ifquery xenbr0 | sed -n 's/^dns-nameservers: //p'
fi | sed 's/^/DNS /'`

/** Of a static setting; what a DHCP server says is not looked at. */
async function besideOf(host: TestHost): Promise<string> {
  const { stdout } = await host.inside(["sh", "-c", LOOK])
  return stdout
}

/**
 * In front of systemctl: before networkd is restarted, the old one asks anew, and takes what it is given; what a router
 * says just then leaves its route.
 */
const LATE_ANSWER = `#!/bin/sh
default() { ip -4 route show default dev eth0 | grep -q .; }
if [ "$*" = "restart systemd-networkd" ]; then
  rm /usr/local/sbin/systemctl
  networkctl reconfigure eth0
  tries=50
  until default || [ $tries = 0 ]; do tries=$((tries - 1)); sleep 0.1; done
  default && ip -6 route replace default via fe80::1 dev eth0 proto ra && touch /run/answered
fi
exec /usr/bin/systemctl "$@"
`

test.serial(
  "systemd-networkd: what DHCP and routers still answer to the uplink itself does not stay beside the bridge",
  async t => {
    const host = await TestHost.start(SETTINGS["systemd-networkd, DHCP"]!)
    t.teardown(() => host.stop())
    const connection = host.connection(await whenItAnswers(host))
    const before = await readFacts(connection)
    await connection.writeFile("/usr/local/sbin/systemctl", LATE_ANSWER, { mode: 0o755 })
    const [make] = planBridge(before, WANTED)
    await guarded(connection, make!, {
      verify: nothingLeft(fresh => readFacts(fresh).then(f => planBridge(f, WANTED))),
    })
    t.is((await host.inside(["test", "-e", "/run/answered"])).exit, 0, "the answer came in between")
    const bridged = await readFacts(connection)
    t.deepEqual(uplinkAddresses(bridged), [])
    t.deepEqual(
      bridged.network.routes.filter(({ link }) => link === "eth0"),
      [],
    )
  },
)

/**
 * Facts, once they are as said or half a minute is over: what comes by itself, a router's advertisement say, takes its time
 * on a machine that is busy with others.
 */
async function factsOnce(connection: Connection, asSaid: (facts: HostFacts) => boolean): Promise<HostFacts> {
  for (let tries = 0; ; tries++) {
    const facts = await readFacts(connection)
    if (asSaid(facts) || tries === 60) return facts
    await sleep(500)
  }
}

function uplinkAddresses({ network }: HostFacts): readonly string[] {
  return network.links.find(({ name }) => name === "eth0")?.addresses.map(({ cidr }) => cidr) ?? []
}

function nothingLeft(plan: (fresh: Connection) => Promise<Plan>) {
  return async (fresh: Connection) => {
    const [left] = await plan(fresh)
    if (left === undefined) return
    const addresses = await fresh.run([
      "sh",
      "-c",
      "ip addr; ip route; ip -6 route; networkctl --no-pager status -a",
    ])
    throw new Error(`the host is not as wanted yet: ${left.title}. ${left.note ?? ""}\n${addresses.stdout}`)
  }
}
