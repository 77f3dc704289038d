import test, { type ExecutionContext } from "ava"
import { STAGED_VIF_SCRIPT, stage, unstage } from "../../provider/host/swap/index.ts"
import { ADDRESS4, BRIDGE, GATEWAY4, Host } from "./support/wire.ts"

/** The staging bridge's wire to the namespace that stands for the gateway. */
const wire = (bridge: string): string => `${bridge.replace("xs", "xg")}4`
const DEVICE = "backend/vif/7/0"
const MAC = "00:16:3e:00:00:07"

/** What libxl writes for an interface, as xenstore-ls prints it. */
const DEVICE_KEYS = {
  frontend: "/local/domain/7/device/vif/0",
  "frontend-id": "7",
  online: "1",
  state: "2",
  script: STAGED_VIF_SCRIPT,
  vifname: "vwww.0",
  mac: MAC,
  bridge: "xsdomain",
  handle: "0",
  type: "vif",
  "hotplug-status": "",
}

/**
 * A host with a staging bridge, and a new interface that libxl hands to the script. `xenstore-ls` tells the device's keys,
 * and `xenstore-write` keeps what it is told; vif-bridge only notes that it was asked. There is no iptables.
 */
async function staged(
  t: ExecutionContext,
  { keys = {}, before = "" }: { keys?: { [key: string]: string }; before?: string } = {},
) {
  const host = await Host.start()
  t.teardown(() => host[Symbol.asyncDispose]())
  const addressing = { addresses: [ADDRESS4], gateways: [GATEWAY4] }
  const { bridge, script } = await stage(host.connection, { domain: "www", bridge: BRIDGE, addressing })
  const lines = Object.entries({ ...DEVICE_KEYS, bridge, ...keys }).map(
    ([key, value]) => `${key} = "${value}"`,
  )
  const { directory: folder } = host
  const vifBridge = script.replace(/[^/]*$/, "vif-bridge")
  await host.program(
    host.connection,
    "xenstore-ls",
    `[ "$1" = ${DEVICE} ] && cat <<'END'\n${lines.join("\n")}\nEND`,
  )
  await host.program(
    host.connection,
    "xenstore-write",
    `while [ $# -gt 0 ]; do echo "$1=$2" >>${folder}/xenstore; shift 2; done`,
  )
  await host.sh(`
    for one in $(PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v iptables); do mount --bind /dev/null $one; done
    printf '#!/bin/sh\\necho "$@" >>${folder}/asked\\nls /sys/class/net >${folder}/links\\n' >${vifBridge}
    chmod +x ${vifBridge}
    ip link add vif7.0 type veth peer name guest
    ${before}`)
  const call = (verb: string, type = "vif") =>
    host.sh(`XENBUS_PATH=${DEVICE} vif=vif7.0 ${script} ${verb} type_if=${type}`)
  const said = (file: string) => host.sh(`cat ${folder}/${file} 2>/dev/null || :`)
  return { host, bridge, script, call, asked: () => said("asked"), written: () => said("xenstore"), said }
}

test("a staged interface gets its name, the bridge's MTU and the highest hardware address, and is up on its bridge", async t => {
  const { host, bridge, call, asked, written } = await staged(t, {
    before: `ip link set ${BRIDGE} mtu 1400; ip link set $(ls /sys/class/net | grep '^xs') mtu 1400`,
  })
  await call("online")
  t.deepEqual(await host.ports(bridge), ["vwww.0", wire(bridge)].sort())
  const link = await host.sh("ip -o link show vwww.0")
  t.regex(link, /[<,]UP[,>].* mtu 1400 .* fe:ff:ff:ff:ff:ff /)
  t.is(await written(), `/local/domain/7/device/vif/0/mtu=1400\n${DEVICE}/hotplug-status=connected\n`)
  t.is(await asked(), "")
  await call("offline")
  t.deepEqual(await host.ports(bridge), [wire(bridge)])
  t.is(await asked(), "")
})

test("an MTU of the configuration's own is the interface's", async t => {
  const { host, call, written } = await staged(t, { keys: { mtu: "1280" } })
  await call("online")
  t.regex(await host.sh("ip -o link show vwww.0"), / mtu 1280 /)
  t.regex(await written(), /device\/vif\/0\/mtu=1280/)
})

test("at the end of a domain whose interface is gone already nothing fails", async t => {
  const { call, host, asked } = await staged(t)
  await host.sh("ip link del vif7.0")
  await t.notThrowsAsync(call("offline"))
  t.is(await asked(), "")
})

const LEFT: [what: string, how: Parameters<typeof staged>[1], verb: string, type?: string][] = [
  ["an emulated interface", {}, "add", "tap"],
  [
    "a hook of the host's owner",
    {
      before:
        "mkdir /etc/xen/scripts/vif-post.d; echo >/etc/xen/scripts/vif-post.d/a.hook; chmod +x /etc/xen/scripts/vif-post.d/a.hook",
    },
    "online",
  ],
  ["a bridge that is gone", { keys: { bridge: "nowhere" } }, "online"],
  ["a device without its other end", { keys: { frontend: "" } }, "online"],
  ["a name that another interface has", { before: "ip link add vwww.0 type veth peer name other" }, "online"],
]
for (const [what, how, verb, type] of LEFT) {
  test(`${what} is left to vif-bridge, which finds the interface under the name that libxl gave`, async t => {
    const { call, asked, written, said } = await staged(t, how)
    await call(verb, type)
    t.is(await asked(), `${verb} type_if=${type ?? "vif"}\n`)
    t.regex(await said("links"), /^vif7\.0$/m)
    t.is(await written(), "")
  })
}

test("where there is iptables, vif-bridge is asked, and adds and removes its rules", async t => {
  const { host, call, asked } = await staged(t)
  await host.program(host.connection, "iptables", "exit 0")
  await call("online")
  await call("offline")
  t.is(await asked(), "online type_if=vif\noffline type_if=vif\n")
})

test("staging puts the script in place, mends one that differs, and leaves the right one alone", async t => {
  const { host, script } = await staged(t)
  const addressing = { addresses: [ADDRESS4], gateways: [GATEWAY4] }
  const again = () => stage(host.connection, { domain: "www", bridge: BRIDGE, addressing })
  const look = () =>
    host.sh(`stat -c '%a %i' ${script}; sha256sum <${script}; ls -A ${script.replace(/[^/]*$/, "")}`)
  const first = await look()
  t.regex(first, /^755 /)
  await again()
  t.is(await look(), first)
  await host.sh(`echo '#' >>${script}`)
  await again()
  t.is((await look()).replace(/ \d+/, ""), first.replace(/ \d+/, ""))
  await unstage(host.connection, "www")
  t.is((await look()).replace(/ \d+/, ""), first.replace(/ \d+/, ""), "the interface needs it to its end")
})

test("several domains that are staged at the same time bring the script at the same time", async t => {
  const host = await Host.start()
  t.teardown(() => host[Symbol.asyncDispose]())
  const addressing = { addresses: [ADDRESS4], gateways: [GATEWAY4] }
  const domains = Array.from({ length: 12 }, (_, index) => `www${index}`)
  await Promise.all(domains.map(domain => stage(host.connection, { domain, bridge: BRIDGE, addressing })))
  t.is((await host.sh("ls -A /etc/xen/scripts | grep pulumi-xen")).trim(), "vif-pulumi-xen")
})
