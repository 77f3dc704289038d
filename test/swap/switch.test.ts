import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import test from "ava"
import { observeFlows, type Port, SwitchError, settled, switchPorts } from "../../provider/host/swap/index.ts"
import type { Outcome } from "./support/client.ts"
import { answer, destroy, eventually, type Generation, generation } from "./support/domain.ts"
import { ADDRESS4, ADDRESS6, BRIDGE, GATEWAY4, GATEWAY6, Host, Program } from "./support/wire.ts"

const name = "www"

/** A host on which generation 1 serves and generation 2 waits aside. */
async function twoGenerations(): Promise<{ host: Host; one: Generation; two: Generation }> {
  const host = await Host.start()
  return { host, one: await generation(host, "1", BRIDGE), two: await generation(host, "2") }
}

const to = (from: readonly Generation[], next: Generation, drain = 0) => ({
  domain: name,
  from: from.map(({ port }) => port),
  to: [next.port],
  drain,
})

/** What a connection that stays open hears, request by request. */
async function keeps(host: Host, address: string) {
  const client = host.gateway.node("client.ts", address, "20", "keep")
  await client.hears()
  await eventually(async () => Number(await client.ask("count")) > 0)
  return async () => JSON.parse(await client.ask("end")) as Outcome
}

/** Nothing is left that steers frames, and the bridge learns as it always did. */
const plainBridge = (host: Host) => host.sh("nft list ruleset; bridge fdb show | grep sticky || true")

test.serial(
  "new connections reach the new domain at once, open ones stay with the old until the drain is over",
  async t => {
    const { host, one, two } = await twoGenerations()
    await using _ = host
    const kept = await keeps(host, ADDRESS6)
    t.deepEqual(await switchPorts(host.connection, to([one], two, 2)), { way: "drained" })
    for (const from of [host.gateway, host.neighbour, undefined])
      for (const address of [ADDRESS4, ADDRESS6]) t.is(await answer(host, from, address), "2")
    await settled(host.connection, name)
    t.deepEqual(await host.ports(), [...host.others, two.port.vif].sort())
    t.is(await plainBridge(host), "")
    await eventually(async () => (await answer(host, host.gateway, ADDRESS6)) === "2")
    const { generations, broken } = await kept()
    t.is(generations[0], "1")
    t.true(broken.length <= 1)
  },
)

test.serial("a station that joins the bridge during the drain reaches the new domain", async t => {
  const { host, one, two } = await twoGenerations()
  await using _ = host
  await switchPorts(host.connection, to([one], two, 30))
  const late = await host.plug("late", "02:00:00:00:00:0a", ["192.0.2.10/24", "2001:db8::a/64"])
  t.is(await answer(host, late, ADDRESS4), "2")
  t.is(await answer(host, late, ADDRESS6), "2")
})

test.serial(
  "where nobody serves the domain only joins its bridge, and there is no drain to wait for",
  async t => {
    const { host, one, two } = await twoGenerations()
    await using _ = host
    await destroy(host, one)
    t.deepEqual(await switchPorts(host.connection, to([], two, 30)), { way: "joined" })
    await settled(host.connection, name, { wait: 5 })
    t.is(await answer(host, host.gateway, ADDRESS4), "2")
    t.is(await plainBridge(host), "")
  },
)

test.serial("an old domain that is gone by the time of the switch is no obstacle", async t => {
  const { host, one, two } = await twoGenerations()
  await using _ = host
  await destroy(host, one)
  t.deepEqual(await switchPorts(host.connection, to([one], two, 30)), { way: "joined" })
  t.is(await answer(host, host.gateway, ADDRESS4), "2")
})

test.serial(
  "during the drain the old domain gets the address back, and connections stay where they are",
  async t => {
    const { host, one, two } = await twoGenerations()
    await using _ = host
    const old = await keeps(host, ADDRESS4)
    await switchPorts(host.connection, to([one], two, 30))
    const young = await keeps(host, ADDRESS4)
    t.deepEqual(await switchPorts(host.connection, to([two], one, 2)), { way: "drained" })
    t.is(await answer(host, host.neighbour, ADDRESS4), "1")
    t.deepEqual((await young()).generations, ["2"])
    await settled(host.connection, name)
    t.deepEqual(await host.ports(), [...host.others, one.port.vif].sort())
    const { generations, broken } = await old()
    t.deepEqual([generations, broken], [["1"], []])
    t.is(await plainBridge(host), "")
  },
)

test.serial("after the drain the old domain, which is aside, gets the address back", async t => {
  const { host, one, two } = await twoGenerations()
  await using _ = host
  await switchPorts(host.connection, to([one], two))
  await settled(host.connection, name)
  t.deepEqual(await switchPorts(host.connection, to([two], one)), { way: "drained" })
  await settled(host.connection, name)
  t.is(await answer(host, host.gateway, ADDRESS6), "1")
  t.deepEqual(await host.ports(), [...host.others, one.port.vif].sort())
})

test.serial(
  "a bridge that speaks STP is given time to forward before frames are steered to the new port",
  async t => {
    const { host, one, two } = await twoGenerations()
    await using _ = host
    await host.sh(`ip link set ${BRIDGE} type bridge stp_state 1 forward_delay 200`)
    await eventually(async () => (await answer(host, host.gateway, ADDRESS4)) === "1")
    t.deepEqual(await switchPorts(host.connection, to([one], two, 30)), { way: "drained" })
    t.is(await answer(host, host.gateway, ADDRESS4), "2")
  },
)

test.serial("without nftables the ports change places, and the warning says what that costs", async t => {
  const { host, one, two } = await twoGenerations()
  await using _ = host
  const { way, warning } = await switchPorts(await host.without("nft"), to([one], two, 30))
  t.is(way, "swapped")
  t.regex(
    warning ?? "",
    /connections to www that were open at the switch have ended.*Install the package nftables/,
  )
  for (const from of [host.gateway, host.neighbour, undefined])
    t.true(await eventually(async () => (await answer(host, from, ADDRESS4)) === "2"))
  await settled(host.connection, name, { wait: 5 })
  t.deepEqual(await host.ports(), [...host.others, two.port.vif].sort())
})

test.serial("a host that cannot hook what it sends itself still drains what others send", async t => {
  const { host, one, two } = await twoGenerations()
  await using _ = host
  const old = await host.without("nft")
  await host.program(
    old,
    "nft",
    'rules=$(cat); case $rules in *egress*) exit 1 ;; esac; printf "%s\\n" "$rules" | exec /usr/sbin/nft "$@"',
  )
  const kept = await keeps(host, ADDRESS4)
  t.deepEqual(await switchPorts(old, to([one], two, 30)), { way: "drained" })
  t.is(await answer(host, undefined, ADDRESS4), "2")
  t.deepEqual((await kept()).generations, ["1"])
})

test.serial(
  "what makes the switch known runs on the host, and its failure is told although the address has come over",
  async t => {
    const { host, one, two } = await twoGenerations()
    await using _ = host
    const how = { ...to([one], two), commit: "echo no room for it >&2; false" }
    const error = await t.throwsAsync<SwitchError>(switchPorts(host.connection, how), {
      instanceOf: SwitchError,
    })
    t.true(error?.switched)
    t.regex(error?.message ?? "", /root@host:22: the address of www is with the new domain.*no room for it/)
    t.is(await answer(host, host.gateway, ADDRESS4), "2")
  },
)

test.serial("a new domain that has no port leaves the old one the address", async t => {
  const { host, one, two } = await twoGenerations()
  await using _ = host
  await destroy(host, two)
  const error = await t.throwsAsync<SwitchError>(switchPorts(host.connection, to([one], two)), {
    instanceOf: SwitchError,
  })
  t.false(error?.switched)
  t.is(await answer(host, host.gateway, ADDRESS4), "1")
  t.is(await plainBridge(host), "")
})

test.serial(
  "connections that the domains open themselves are answered during the drain, the old one's and the new one's",
  async t => {
    const { host, one, two } = await twoGenerations()
    await using _ = host
    const service = host.gateway.node("server.ts", "service")
    await service.hears()
    await switchPorts(host.connection, to([one], two, 30))
    for (const { station } of [one, two, one]) {
      // The answer about the gateway's own address must reach whoever asks.
      await station.ip("neigh", "flush", "all")
      for (const address of [GATEWAY4, GATEWAY6]) t.is(await answer(host, station, address), "service")
    }
  },
)

test.serial(
  "datagrams stay with the old domain where it has answered before, and others go to the new one",
  async t => {
    const { host, one, two } = await twoGenerations()
    await using _ = host
    const talk = (address: string) =>
      new Program("ip", [
        ...["netns", "exec", host.gateway.namespace, "bash", "--norc", "-c"],
        `exec 3<>/dev/udp/${address}/80; while read -r _; do echo >&3; timeout 10 head -n 1 <&3; done`,
      ])
    const before = [ADDRESS4, ADDRESS6].map(talk)
    await host.connection.run(observeFlows(name, [one.port]))
    for (const program of before) t.is(await program.ask(""), "1")
    await switchPorts(host.connection, to([one], two, 30))
    const after = [ADDRESS4, ADDRESS6].map(talk)
    for (const program of before) t.is(await program.ask(""), "1")
    for (const program of after) t.is(await program.ask(""), "2")
    for (const program of [...before, ...after]) await program.end()
  },
)

test.serial("two networks change hands together", async t => {
  const { host, one, two } = await twoGenerations()
  await using _ = host
  await host.sh("ip link add other type bridge && ip link set other up")
  const second = async (name: string, bridge?: string): Promise<Port> => {
    const { port } = await host.plug(name, "00:16:3e:00:00:08", [], bridge ?? "")
    return { vif: port, bridge: "other", mac: "00:16:3E:00:00:08" }
  }
  const [first, next] = [await second("b1", "other"), await second("b2")]
  const how = { domain: name, from: [one.port, first], to: [two.port, next], drain: 0 }
  t.deepEqual(await switchPorts(host.connection, how), { way: "drained" })
  await settled(host.connection, name)
  t.deepEqual(await host.ports("other"), ["vb2"])
  t.deepEqual(await host.ports(), [...host.others, two.port.vif].sort())
})

test.serial(
  "whoever takes a drain over and is killed before it begins leaves a host that ends the drain",
  async t => {
    const { host, one, two } = await twoGenerations()
    await using _ = host
    await switchPorts(host.connection, to([one], two, 2))
    await host.sh("echo somebody >/run/pulumi-xen/swap/www/token")
    const alone = [...host.others, two.port.vif].sort().join()
    t.true(await eventually(async () => (await host.ports()).join() === alone))
    t.true(await eventually(async () => (await plainBridge(host)) === ""))
  },
)

/**
 * A host on which the Nth program that a switch runs kills the switch's process, and all that belongs to it, before it
 * does anything: each of them is a boundary.
 */
async function fatal(host: Host) {
  const programs = ["ip", "bridge", "nft", "mv", "flock", "grep"]
  const connection = await host.without(...programs)
  const directory = join(host.directory, "boundaries")
  await mkdir(directory)
  for (const program of programs)
    await host.program(
      connection,
      program,
      `n=$(($(cat ${directory}/count) + 1)); echo $n >${directory}/count
       [ $n != "$(cat ${directory}/at)" ] || kill -9 0
       PATH=/usr/sbin:/usr/bin:/sbin:/bin exec ${program} "$@"`,
    )
  return {
    connection,
    killAt: async (n: number) => {
      await writeFile(join(directory, "count"), "0")
      await writeFile(join(directory, "at"), String(n))
    },
    reached: async () => Number(await readFile(join(directory, "count"), "utf8")),
  }
}

test.serial(
  "killed at any command, a switch is done or undone by the next run, and only one domain has the address",
  async t => {
    const { host, one, two } = await twoGenerations()
    await using _ = host
    const { connection, killAt, reached } = await fatal(host)
    await host.sh("echo 1 >/run/current")
    let [serving, other] = [one, two]
    let boundaries = 0
    for (let n = 1; ; n++) {
      await killAt(n)
      const how = { ...to([serving], other), commit: `echo ${other.station.port.slice(1)} >/run/current` }
      const outcome = await switchPorts(connection, how).then(
        () => true,
        () => false,
      )
      const cut = (await reached()) >= n
      await settled(host.connection, name)
      const current = (await host.sh("cat /run/current")).trim()
      const winner = current === one.station.port.slice(1) ? one : two
      t.deepEqual(await host.ports(), [...host.others, winner.port.vif].sort(), `killed at command ${n}`)
      t.true(
        await eventually(async () => (await answer(host, host.gateway, ADDRESS4)) === current),
        `killed at command ${n}`,
      )
      t.is(await plainBridge(host), "", `killed at command ${n}`)
      if (winner !== serving) [serving, other] = [winner, serving]
      if (!cut && outcome) break
      boundaries++
    }
    t.log(`${boundaries} boundaries`)
    t.true(boundaries > 10)
  },
)

test.serial("killed with its connection, who asked for a switch leaves a host that ends it", async t => {
  const { host, one, two } = await twoGenerations()
  await using _ = host
  let [serving, other] = [one, two]
  for (const milliseconds of [0, 20, 50, 100, 200, 400]) {
    const { run } = host.connection
    const cut: typeof run = (command, options) =>
      run.call(host.connection, command, { ...options, timeout: milliseconds || 1 })
    await switchPorts({ ...host.connection, name: "cut", run: cut }, to([serving], other, 1)).catch(() => {})
    await settled(host.connection, name)
    const ports = (await host.ports()).filter(port => !host.others.includes(port))
    t.is(ports.length, 1, `cut off after ${milliseconds} ms`)
    if (ports[0] === other.port.vif) [serving, other] = [other, serving]
    t.is(await answer(host, host.gateway, ADDRESS4), serving === one ? "1" : "2")
    t.is(await plainBridge(host), "")
  }
})
