import { setTimeout as sleep } from "node:timers/promises"
import test from "ava"
import { bareMachine, type TestMachine, TURN } from "../helpers/lab.ts"
import { ProviderUnderTest } from "../helpers/provider.ts"

// Namespaces have no VLANs everywhere; a machine's own kernel does, and systemd-networkd has files of its own for them.

/** As an image with systemd-networkd is delivered: it has the uplink from the start, and ifupdown nothing. */
const HANDED_OVER = `
printf '[Match]\\nName=eth0\\n\\n[Network]\\nDHCP=ipv4\\n' >/etc/systemd/network/eth0.network
cat >/root/hand-over <<'END'
sleep 1
ifdown --force eth0
printf 'auto lo\\niface lo inet loopback\\n' >/etc/network/interfaces
rm -f /etc/network/interfaces.d/*
systemctl disable --now networking
systemctl enable --now systemd-networkd
END
systemd-run --quiet --property=KillMode=process sh /root/hand-over`

/** All that a bridge could change. */
const SETTING = `
find /etc/network /etc/systemd/network -type f | sort | xargs md5sum
ip -o -4 addr show scope global | awk '{print $2, $4}' | sort
ip -4 route | sed 's/ proto.*//; s/ metric.*//' | sort; ls /sys/class/net | sort`

const urn = (name: string) => `urn:pulumi:s::p::xen:index:Bridge::${name}`

async function whenConfigured(machine: TestMachine): Promise<void> {
  for (let tries = 0; tries < 60; tries++) {
    const state = await machine.run("networkctl status eth0").catch(() => "")
    if (/State: routable \(configured\)/.test(state)) return
    await sleep(2000)
  }
  throw new Error("systemd-networkd has not taken the uplink over")
}

test("on a machine that systemd-networkd runs a bridge takes the uplink, another one a VLAN of it, and both go again", async t => {
  t.timeout(TURN)
  await using provider = await ProviderUnderTest.start()
  await using machine = await bareMachine("debian")
  await machine.run(HANDED_OVER)
  await whenConfigured(machine)
  const before = await machine.run(SETTING)
  const { host, port, user, hostKey, privateKeyPath } = machine.host
  const connection = { host, port, user, hostKey, privateKeyPath, connectTimeout: 60_000 }
  const make = (given: { name: string; [property: string]: unknown }) =>
    provider.create(urn(given.name), { connection, uplink: "eth0", window: 240, ...given })

  const main = await make({ name: "xenbr0" })
  const addressing = { ipv4: { addresses: ["198.51.100.7/24"] } }
  const beside = await make({ name: "xenbr7", vlan: 7, addressing })
  t.regex(
    await machine.run("ip -d link show eth0.7"),
    /eth0\.7@eth0: .*master xenbr7 .*\n.*\n? +vlan protocol 802\.1Q id 7 /,
  )
  t.regex(
    await machine.run("ip -4 -o addr show"),
    /xenbr0 +inet 10\.0\.2\.15.*xenbr7 +inet 198\.51\.100\.7\/24/s,
  )
  for (const one of [main, beside]) {
    const { outputs } = await provider.client.read(urn(one.id), one.id, one)
    t.deepEqual(outputs.drift, [], one.id)
  }

  for (const one of [beside, main]) await provider.client.delete(urn(one.id), one.id, one)
  t.is(await machine.run(SETTING), before)
})
