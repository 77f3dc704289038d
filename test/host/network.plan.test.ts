import test from "ava"
import fc from "fast-check"
import type { HostFacts } from "../../provider/host/facts/types.ts"
import { planBridge, planBridgeRemoval } from "../../provider/host/network/bridge.ts"
import { lostSince } from "../../provider/host/network/drift.ts"
import { withoutInterface } from "../../provider/host/network/ifupdown.ts"
import { contains, isCidr, isFarGateway, isSamePrefix } from "../../provider/host/network/prefix.ts"
import { bridgeRecord } from "../../provider/host/network/record.ts"
import { refuseBridge } from "../../provider/host/network/refusals.ts"
import { refuseUnread } from "../../provider/host/network/unread.ts"
import { type BridgeWanted, NO_ADDRESSING } from "../../provider/host/network/wanted.ts"
import type { Step } from "../../provider/host/step.ts"
import { hostFacts } from "./helpers/facts.ts"

const WANTED: BridgeWanted = { name: "xenbr0", uplink: "eth0" }

/** The host after the step's files were written, and its bridge came up. */
function afterwards(facts: HostFacts, step: Step): HostFacts {
  const written: Record<string, string> = {}
  for (const action of step.actions)
    if (action.kind === "write") written[action.path] = action.content as string
  const [lo, eth0] = facts.network.links
  return hostFacts({
    ...facts,
    files: { ...facts.files, ...written },
    network: {
      ...facts.network,
      files: { ...facts.network.files, ...written },
      uplink: "xenbr0",
      links: [
        lo!,
        { ...eth0!, controller: "xenbr0", addresses: [] },
        { ...eth0!, name: "xenbr0", kind: "bridge", bridge: { stp: false, forwardDelay: 0 } },
      ],
      routes: facts.network.routes.map(route => ({ ...route, link: "xenbr0" })),
    },
  } as Partial<HostFacts> as never)
}

test("ifupdown: the uplink's stanza moves to the bridge, and everything else in the file stays", t => {
  const facts = hostFacts()
  const plan = planBridge(facts, WANTED)
  t.is(plan.length, 1)
  const step = plan[0]!
  t.is(step.risk, "network")
  t.is(step.title, "Make the bridge xenbr0 with eth0 as its port")
  t.is(step.note, "The host has on it: 46.43.42.130/25, gateway 46.43.42.129.")
  const written = Object.fromEntries(
    step.actions.flatMap(one => (one.kind === "write" ? [[one.path, one.content]] : [])),
  )
  t.is(
    written["/etc/network/interfaces"],
    "source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\n",
  )
  t.snapshot(written["/etc/network/interfaces.d/pulumi-xen-xenbr0"])
  t.deepEqual(
    step.actions
      .filter(({ kind }) => kind === "run")
      .map(action => (action.kind === "run" ? action.command.slice(-3) : [])),
    [
      ["ifdown", "--force", "eth0"],
      ["ifup", "--force", "xenbr0"],
    ],
  )
  t.deepEqual(planBridge(afterwards(facts, step), WANTED), [], "the second run does nothing")
})

/** [who configures the network, what in a file of the bridge has a DHCP client wait] */
const clientsWait: [manager: HostFacts["network"]["manager"], inFile: RegExp][] = [
  ["ifupdown", /operstate\)" = up/],
  ["systemd-networkd", /^ConfigureWithoutCarrier=no$/m],
]
for (const [manager, inFile] of clientsWait)
  test(`${manager}: a DHCP client is started when the bridge passes frames; static addresses wait for nothing`, t => {
    const facts = hostFacts()
    const managed = { ...facts, network: { ...facts.network, manager } }
    const waits = (automatic: boolean): boolean => {
      const dhcp = { ...NO_ADDRESSING, ipv4: { automatic: true, addresses: [] } }
      const [step] = planBridge(managed, automatic ? { ...WANTED, addressing: dhcp } : WANTED)
      return step!.actions.some(one => one.kind === "write" && inFile.test(String(one.content)))
    }
    t.true(waits(true))
    t.false(waits(false))
  })

test("what the uplink had is remembered: later runs do not read the port for it", t => {
  const facts = hostFacts()
  const later = afterwards(facts, planBridge(facts, WANTED)[0]!)
  t.deepEqual(bridgeRecord(later, "xenbr0")?.config.addressing.ipv4, {
    automatic: false,
    addresses: ["46.43.42.130/25"],
    gateway: "46.43.42.129",
  })
  const more = planBridge(later, { ...WANTED, extraAddresses: ["46.43.42.131/25"] })
  t.is(more[0]?.title, "Change the bridge xenbr0 with eth0 as its port")
  t.is(more[0]?.note, "The host has on it: 46.43.42.130/25, 46.43.42.131/25, gateway 46.43.42.129.")
})

test("a removal writes the old files byte by byte, and is nothing where nothing was done", t => {
  const facts = hostFacts()
  t.deepEqual(planBridgeRemoval(facts, "xenbr0"), [])
  const [step] = planBridgeRemoval(afterwards(facts, planBridge(facts, WANTED)[0]!), "xenbr0")
  const back = step!.actions.find(one => one.kind === "write" && one.path === "/etc/network/interfaces")
  t.is(back?.kind === "write" ? back.content : "", facts.network.files["/etc/network/interfaces"]!)
})

/** The host with the files that a step leaves. */
function withFiles(facts: HostFacts, { actions }: Step): HostFacts {
  const now = (files: Readonly<Record<string, string>>) => {
    const left = new Map(Object.entries(files))
    for (const action of actions) {
      if (action.kind === "write") left.set(action.path, action.content as string)
      if (action.kind === "remove") left.delete(action.path)
    }
    return Object.fromEntries(left)
  }
  return { ...facts, files: now(facts.files), network: { ...facts.network, files: now(facts.network.files) } }
}

const ISOLATED: BridgeWanted = { name: "inside0" }
const LONE = "auto lo eth0\niface lo inet loopback\niface eth0 inet static\n    address 46.43.42.130/25\n"
const EITHER = [
  [ISOLATED, WANTED],
  [WANTED, ISOLATED],
] as const
const ORDERS = EITHER.flatMap(made => EITHER.map(removed => [made, removed] as const))
for (const [made, removed] of ORDERS)
  test(`ifupdown: ${made[0].name} is made first and ${removed[0].name} goes first: the other's files stay, and at last all is as it was`, t => {
    const main = (facts: HostFacts) => facts.network.files["/etc/network/interfaces"]!
    const bare = hostFacts({ network: { files: { "/etc/network/interfaces": LONE } } })
    const both = made.reduce<HostFacts>(
      (facts, wanted) => withFiles(facts, planBridge(facts, wanted)[0]!),
      bare,
    )
    t.regex(main(both), /^source .*pulumi-xen-\*$/m)
    const one = withFiles(both, planBridgeRemoval(both, removed[0].name)[0]!)
    t.regex(main(one), /^source .*pulumi-xen-\*$/m, "the other's file is read")
    t.is(/iface eth0/.test(main(one)), removed[0] === WANTED, "eth0 has a stanza where it is no port")
    t.is(main(withFiles(one, planBridgeRemoval(one, removed[1].name)[0]!)), LONE)
  })

const ROUTE = { family: 4 as const, destination: "198.51.100.0/24", gateway: "46.43.42.140", link: "eth0" }
const DRIFTS: [string, (facts: HostFacts) => HostFacts][] = [
  ["the port was taken out", facts => withLink(facts, "eth0", link => ({ ...link, controller: undefined }))],
  ["the address was removed", facts => withLink(facts, "xenbr0", link => ({ ...link, addresses: [] }))],
  [
    "the spanning tree runs",
    facts => withLink(facts, "xenbr0", link => ({ ...link, bridge: { stp: true, forwardDelay: 15 } })),
  ],
  ["it is down", facts => withLink(facts, "xenbr0", link => ({ ...link, up: false }))],
  [
    "a static route is gone",
    facts => ({
      ...facts,
      network: {
        ...facts.network,
        routes: facts.network.routes.filter(({ destination }) => destination !== ROUTE.destination),
      },
    }),
  ],
  ["the default route is gone", facts => ({ ...facts, network: { ...facts.network, routes: [] } })],
  [
    "a file was edited",
    facts => ({
      ...facts,
      network: {
        ...facts.network,
        files: { ...facts.network.files, "/etc/network/interfaces.d/pulumi-xen-xenbr0": "# gone\n" },
      },
    }),
  ],
]

function withLink(
  facts: HostFacts,
  name: string,
  change: (link: HostFacts["network"]["links"][number]) => object,
): HostFacts {
  const links = facts.network.links.map(link => (link.name === name ? change(link) : link))
  return { ...facts, network: { ...facts.network, links: links as HostFacts["network"]["links"] } }
}

for (const [what, break_] of DRIFTS)
  test(`drift is repaired: ${what}`, t => {
    const facts = hostFacts({ network: { routes: [...hostFacts().network.routes, ROUTE] } })
    const made = afterwards(facts, planBridge(facts, WANTED)[0]!)
    t.deepEqual(planBridge(made, WANTED), [])
    t.is(planBridge(break_(made), WANTED).length, 1)
  })

const REFUSED: [string, HostFacts, BridgeWanted, string, RegExp][] = [
  [
    "an uplink that is not there",
    hostFacts(),
    { name: "xenbr0", uplink: "eth9" },
    "uplink",
    /no interface eth9.*Name one of these as the uplink: eth0/,
  ],
  ["a name with a slash", hostFacts(), { name: "../x", uplink: "eth0" }, "input", /no name for a bridge/],
  ["a name too long", hostFacts(), { name: "a-bridge-too-far", uplink: "eth0" }, "input", /15/],
  ["a VLAN of 4095", hostFacts(), { name: "br0", uplink: "eth0", vlan: 4095 }, "input", /1 to 4094/],
  [
    "an address without a prefix",
    hostFacts(),
    { ...WANTED, extraAddresses: ["192.0.2.1"] },
    "input",
    /prefix length/,
  ],
  [
    "a link of that name that is foreign",
    hostFacts(),
    { name: "eth0", uplink: "eth0" },
    "foreign-file",
    /not made by this program/,
  ],
  [
    "an unknown network manager",
    hostFacts({ network: { manager: "other", evidence: "nothing holds eth0" } }),
    WANTED,
    "network-manager",
    /nothing holds eth0/,
  ],
  ["no systemd", hostFacts({ boot: { init: "other" } }), WANTED, "init", /could not be taken back/],
  [
    "an uplink without an address",
    hostFacts({
      network: { links: [{ name: "eth0", mac: "", up: true, carrier: true, mtu: 1500, addresses: [] }] },
    }),
    WANTED,
    "address-missing",
    /no address/,
  ],
  [
    "another port for a bridge that carries the host",
    afterwards(hostFacts(), planBridge(hostFacts(), WANTED)[0]!),
    { name: "xenbr0" },
    "port-taken",
    /xenbr0 has eth0 as its port, and is to be a bridge that is isolated\. Remove it first/,
  ],
  [
    "a revert under way",
    hostFacts({
      guards: [
        { name: "network", state: "reverting", token: "", title: "x", since: 0, deadline: 0, log: [] },
      ],
    }),
    WANTED,
    "guard-armed",
    /Run again/,
  ],
]

for (const [what, facts, wanted, code, words] of REFUSED)
  test(`refused before anything is changed: ${what}`, t => {
    const refusals = refuseBridge(facts, wanted)
    t.true(
      refusals.some(one => one.code === code && words.test(`${one.problem} ${one.remedy}`)),
      JSON.stringify(refusals),
    )
  })

/** A bridge on eth0, in a file of which lines were not read: they may hold keys. */
function withUnread(facts: HostFacts, path: string, ...lines: number[]): HostFacts {
  return { ...facts, network: { ...facts.network, unread: { [path]: lines } } }
}

const MAIN = "/etc/network/interfaces"
const OWN = "/etc/network/interfaces.d/pulumi-xen-xenbr0"
const MADE = afterwards(hostFacts(), planBridge(hostFacts(), WANTED)[0]!)
const MORE = { ...WANTED, extraAddresses: ["46.43.42.131/25"] }
const UNREAD: [what: string, facts: HostFacts, wanted: BridgeWanted, lines: RegExp | undefined][] = [
  ["the file with the uplink's stanza", withUnread(hostFacts(), MAIN, 7, 9, 12), WANTED, /lines 7, 9 and 12/],
  ["one line of it", withUnread(hostFacts(), MAIN, 7), WANTED, /interfaces would be .* without its line 7:/],
  ["a file of its own", withUnread(hostFacts(), "/etc/network/interfaces.d/wifi", 2), WANTED, undefined],
  ["the user's file, while the bridge is as wanted", withUnread(MADE, MAIN, 7), WANTED, undefined],
  ["the user's file, while only the bridge's own changes", withUnread(MADE, MAIN, 7), MORE, undefined],
  ["the bridge's own file, which is overwritten anyway", withUnread(MADE, OWN, 7), MORE, undefined],
]
for (const [what, facts, wanted, lines] of UNREAD)
  test(`no line that may hold a key is lost: ${what} ${lines ? "is not written anew" : "is in nobody's way"}`, t => {
    const refusals = refuseBridge(facts, wanted)
    t.deepEqual(
      refusals.map(({ code }) => code),
      lines ? ["key-unread"] : [],
    )
    for (const { problem, remedy } of refusals) {
      t.regex(problem, lines!)
      t.regex(remedy, /Move the stanzas .* under \/etc\/network\/interfaces\.d/)
    }
    t.is(/Keep lines? 7.* of \/etc/.test(planBridge(facts, wanted)[0]?.note ?? ""), lines !== undefined)
  })

test("no line that may hold a key is lost: a removal does not write over those that came after the bridge", t => {
  const removal = (facts: HostFacts) => refuseUnread(facts, "xenbr0", planBridgeRemoval(facts, "xenbr0"))
  t.deepEqual(removal(MADE), [])
  t.deepEqual(removal(withUnread(MADE, OWN, 7)), [])
  t.deepEqual(
    removal(withUnread(MADE, MAIN, 7)).map(({ code }) => code),
    ["key-unread"],
  )
})

test("what is fit is not refused", t => {
  t.deepEqual(refuseBridge(hostFacts(), WANTED), [])
  t.deepEqual(refuseBridge(hostFacts(), { name: "xenbr1" }), [])
})

test("an isolated bridge needs no guard: it touches nothing that carries the connection", t => {
  const [step] = planBridge(hostFacts(), { name: "xenbr1" })
  t.is(step?.risk, "none")
  t.is(step?.guard, undefined)
})

/** The host once a bridge beside the uplink is made as planned. */
function besides(facts: HostFacts, { actions }: Step, wanted: BridgeWanted): HostFacts {
  const written: Record<string, string> = {}
  for (const action of actions) if (action.kind === "write") written[action.path] = action.content as string
  const { network } = facts
  const eth0 = network.links[1]!
  const addresses = (wanted.extraAddresses ?? []).map(cidr => ({
    ...{
      cidr,
      scope: "global" as const,
      dynamic: false,
      family: cidr.includes(":") ? (6 as const) : (4 as const),
    },
  }))
  const own = { kind: "bridge", bridge: { stp: false, forwardDelay: 0 }, addresses }
  const made = { ...eth0, ...own, name: wanted.name }
  const port = { ...eth0, name: "eth0.7", kind: "vlan", vlan: 7, parent: "eth0", controller: wanted.name }
  const links = [...network.links, made, ...(wanted.vlan ? [{ ...port, addresses: [] }] : [])]
  // The first file that matches the link is the one that configures it.
  const uplink = Object.keys(written).find(path => /^\[Match\]\nName=eth0$/m.test(written[path]!))
  const networkdFiles = { ...network.networkdFiles, ...(uplink ? { eth0: uplink } : {}) }
  const files = { ...network.files, ...written }
  return {
    ...facts,
    files: { ...facts.files, ...written },
    network: { ...network, links, files, networkdFiles },
  }
}

const BESIDE: BridgeWanted = {
  name: "xenbr7",
  extraAddresses: ["10.7.0.2/24", "10.7.0.3/24", "2001:db8:7::2/64"],
}
const ON_VLAN: BridgeWanted = { ...BESIDE, uplink: "eth0", vlan: 7 }
const NETWORKD = { manager: "systemd-networkd" as const, files: {} }
const NM = { manager: "NetworkManager" as const, files: {} }

const SHARED = /^\/etc\/(network|systemd\/network|NetworkManager\/system-connections)\//
/** [the manager and its uplink's configuration, what is wanted, the files that it becomes] */
const RENDERED: [what: string, network: object, wanted: BridgeWanted, files: string[]][] = [
  ["ifupdown: a bridge on a VLAN", {}, ON_VLAN, ["interfaces.d/pulumi-xen-xenbr7"]],
  ["ifupdown: an isolated bridge", {}, BESIDE, ["interfaces.d/pulumi-xen-xenbr7"]],
  [
    "NetworkManager: a bridge on a VLAN",
    NM,
    ON_VLAN,
    ["pulumi-xen-xenbr7.nmconnection", "pulumi-xen-xenbr7-port.nmconnection"],
  ],
  ["NetworkManager: an isolated bridge", NM, BESIDE, ["pulumi-xen-xenbr7.nmconnection"]],
  [
    "systemd-networkd: a bridge on a VLAN",
    { ...NETWORKD, networkdFiles: { eth0: "/run/systemd/network/10-netplan-eth0.network" } },
    ON_VLAN,
    [
      "00-pulumi-xen-xenbr7.netdev",
      "00-pulumi-xen-xenbr7.network",
      "00-pulumi-xen-xenbr7-port.network",
      "00-pulumi-xen-xenbr7-vlan.netdev",
      "10-netplan-eth0.network.d/pulumi-xen-xenbr7.conf",
    ],
  ],
  [
    "systemd-networkd: a bridge on a VLAN of an uplink that has no file",
    NETWORKD,
    ON_VLAN,
    [
      "00-pulumi-xen-xenbr7.netdev",
      "00-pulumi-xen-xenbr7.network",
      "00-pulumi-xen-xenbr7-port.network",
      "00-pulumi-xen-xenbr7-vlan.netdev",
      "00-pulumi-xen-xenbr7-uplink.network",
    ],
  ],
  [
    "systemd-networkd: an isolated bridge",
    NETWORKD,
    BESIDE,
    ["00-pulumi-xen-xenbr7.netdev", "00-pulumi-xen-xenbr7.network"],
  ],
]
for (const [what, network, wanted, files] of RENDERED)
  test(`${what} with three addresses is as written here; a second run does nothing, a removal leaves nothing`, t => {
    const facts = hostFacts()
    const before: HostFacts = { ...facts, network: { ...facts.network, ...network } }
    t.deepEqual(refuseBridge(before, wanted), [])
    const [step] = planBridge(before, wanted)
    const written = step!.actions.flatMap(one => (one.kind === "write" ? [one] : [])).slice(0, -1)
    t.deepEqual(
      written.map(({ path }) => path.replace(SHARED, "")),
      files,
    )
    t.snapshot(written.map(({ path, content }) => `${path}\n${content}`).join("\n"))
    t.snapshot(step!.actions.flatMap(one => (one.kind === "run" ? [one.command.join(" ")] : [])))

    const made = besides(before, step!, wanted)
    t.deepEqual(planBridge(made, wanted), [])
    const [removal] = planBridgeRemoval(made, wanted.name)
    const removed = removal!.actions.flatMap(one => (one.kind === "remove" ? [one.path] : []))
    for (const { path } of written) t.true(removed.includes(path), path)
    t.snapshot(removal!.actions.flatMap(one => (one.kind === "run" ? [one.command.join(" ")] : [])))
  })

test("a gateway outside the prefix is said to be on the link", t => {
  t.true(isFarGateway({ automatic: false, addresses: ["198.51.100.7/32"], gateway: "192.0.2.1" }))
  t.false(isFarGateway({ automatic: false, addresses: ["192.0.2.7/24"], gateway: "192.0.2.1" }))
  t.false(isFarGateway({ automatic: false, addresses: ["2001:db8::7/128"], gateway: "fe80::1" }))
})

const FAR: BridgeWanted = {
  ...WANTED,
  addressing: {
    ...NO_ADDRESSING,
    ipv4: { automatic: false, addresses: ["198.51.100.7/32"], gateway: "192.0.2.1" },
    ipv6: { automatic: false, addresses: ["2001:db8::7/128"], gateway: "2001:db8:1::1" },
  },
}
/** [who configures the network, how its file says that a gateway is on the link, for each family] */
const farGateways: [manager: HostFacts["network"]["manager"], says: RegExp[]][] = [
  [
    "ifupdown",
    [
      /^ {4}up ip -4 route replace default via 192\.0\.2\.1 dev xenbr0 onlink$/m,
      // What ifupdown itself does for an IPv6 gateway says so (inet6.defn in its source).
      /^ {4}gateway 2001:db8:1::1$/m,
    ],
  ],
  [
    "systemd-networkd",
    [/^Gateway=192\.0\.2\.1\nGatewayOnLink=yes$/m, /^Gateway=2001:db8:1::1\nGatewayOnLink=yes$/m],
  ],
  // NetworkManager sees by itself that a gateway is outside the prefix, and gives it a route of its own.
  [
    "NetworkManager",
    [/^address1=198\.51\.100\.7\/32,192\.0\.2\.1$/m, /^address1=2001:db8::7\/128,2001:db8:1::1$/m],
  ],
]
for (const [manager, says] of farGateways)
  test(`${manager}: a gateway outside the prefix is reached on the link, in both families`, t => {
    const [step] = planBridge(hostFacts({ network: { manager } }), FAR)
    for (const one of says) t.regex(writtenBy(step!), one)
  })

/** eth0 with a static IPv6 address, and a default route by router advertisement. */
function advertised(network: object = {}): HostFacts {
  const facts = hostFacts({ network })
  const six = { cidr: "2001:db8::7/64", family: 6 as const, scope: "global" as const, dynamic: false }
  const route = {
    family: 6 as const,
    destination: "default",
    gateway: "fe80::1",
    link: "eth0",
    protocol: "ra",
  }
  const routes = [...facts.network.routes, route]
  const made = withLink(facts, "eth0", link => ({ ...link, addresses: [...link.addresses, six] }))
  return { ...made, network: { ...made.network, routes } }
}

/** [who configures the network, how its file asks routers, beside the static address] */
const ASKS_ROUTERS: [manager: HostFacts["network"]["manager"], says: RegExp[]][] = [
  [
    "ifupdown",
    [/^iface xenbr0 inet6 auto\n {4}accept_ra 2$/m, /up ip -6 addr replace 2001:db8::7\/64 dev xenbr0$/m],
  ],
  ["systemd-networkd", [/^IPv6AcceptRA=yes$/m, /^Address=2001:db8::7\/64$/m]],
  ["NetworkManager", [/^\[ipv6\]\nmethod=auto\naddress1=2001:db8::7\/64$/m]],
]
for (const [manager, says] of ASKS_ROUTERS)
  test(`${manager}: a default route by router advertisement stays one, beside a static IPv6 address`, t => {
    const before = advertised({ manager })
    const [step] = planBridge(before, WANTED)
    for (const one of says) t.regex(writtenBy(step!), one)
    const made = afterwards(before, step!)
    const { config } = bridgeRecord(made, "xenbr0")!
    t.deepEqual(lostSince(made, before, config), [])
    const routes = made.network.routes.filter(({ family }) => family === 4)
    const without = { ...made, network: { ...made.network, routes } }
    t.regex(lostSince(without, before, config).join(), /no IPv6 default route/)
    t.deepEqual(lostSince(without, without, config), [], "there was none before")
  })

/** [the uplink's stanza, the bridge's] */
const STANZAS: [stanza: string, moved: string][] = [
  ["inet6 auto", "inet6 auto\n    accept_ra 2\n"],
  ["inet6 auto\n    dhcp 1\n    privext 0", "inet6 auto\n    accept_ra 2\n    dhcp 1\n    privext 0\n"],
  ["inet6 dhcp\n    autoconf 1", "inet6 dhcp\n    accept_ra 2\n    autoconf 1\n"],
]
for (const [stanza, moved] of STANZAS)
  test(`ifupdown: the bridge asks for IPv6 as its uplink did: ${stanza.replace(/\s+/g, " ")}`, t => {
    const main = `${hostFacts().network.files[MAIN]}iface eth0 ${stanza}\n`
    const before = advertised({ files: { [MAIN]: main } })
    const [step] = planBridge(before, WANTED)
    t.true(writtenBy(step!).includes(`iface xenbr0 ${moved}`), writtenBy(step!))
    t.deepEqual(planBridge(afterwards(before, step!), WANTED), [], "the second run does nothing")
  })

test("NetworkManager: the bridge asks DHCP and routers as the same machine, also at a second run", t => {
  const who = {
    "ipv4.method": "auto",
    "ipv4.dhcp-client-id": "mac",
    "ipv6.token": "::7",
    "ipv6.dhcp-iaid": "7",
  }
  const before = advertised({ manager: "NetworkManager", profiles: { eth0: who } })
  const [step] = planBridge(before, WANTED)
  t.regex(writtenBy(step!), /^dhcp-client-id=mac$/m)
  t.regex(writtenBy(step!), /^token=::7\ndhcp-iaid=7$/m)
  const made = afterwards(before, step!)
  const profiles = { eth0: { "connection.id": "pulumi-xen-xenbr0-port" }, xenbr0: who }
  t.deepEqual(planBridge({ ...made, network: { ...made.network, profiles } }, WANTED), [])
})

function writtenBy({ actions }: Step): string {
  return actions.flatMap(one => (one.kind === "write" ? [String(one.content)] : [])).join("\n")
}

const SAME: [one: string, other: string, same: boolean][] = [
  ["198.51.100.0/24", "198.51.100.0/24", true],
  ["198.51.100.0/24", "198.51.100.0/25", false],
  ["198.51.100.7", "198.51.100.7/32", true],
  ["2001:db8::/32", "2001:DB8:0::/32", true],
  ["192.0.2.1", "2001:db8::1", false],
  ["", "192.0.2.1", false],
]
for (const [one, other, same] of SAME)
  test(`"${one}" and "${other}" are ${same ? "one prefix" : "two"}`, t =>
    t.is(isSamePrefix(one, other), same))

test("a prefix contains its own address, and is told from text that is none", t => {
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), (address, length) => {
      t.true(contains(`${address}/${length}`, address))
      t.true(isCidr(`${address}/${length}`))
    }),
  )
  for (const text of ["", "192.0.2.1", "192.0.2.1/33", "2001:db8::/129", "192.0.2/24", "x/24"])
    t.false(isCidr(text), text)
})

test("taking an interface out of interfaces(5) leaves every other interface as it was", t => {
  const name = fc.constantFrom("eth0", "eth1", "eth0.5", "eth0:1", "br0")
  const stanza = fc.record({
    name,
    method: fc.constantFrom("inet dhcp", "inet static", "inet6 auto"),
    options: fc.array(fc.constantFrom("    address 192.0.2.1/24", "    up true", "  # note", "")),
  })
  fc.assert(
    fc.property(fc.array(stanza), stanzas => {
      const text = (some: typeof stanzas) =>
        some
          .map(one => [`auto ${one.name}`, `iface ${one.name} ${one.method}`, ...one.options, ""].join("\n"))
          .join("")
      const result = withoutInterface(text(stanzas), "eth0").text
      const solid = (lines: string) => lines.split("\n").filter(line => line.trim() !== "")
      t.deepEqual(solid(result), solid(text(stanzas.filter(one => one.name !== "eth0"))))
      t.is(withoutInterface(result, "eth0").text, result, "a second time changes nothing")
    }),
  )
})
