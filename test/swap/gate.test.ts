import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import test from "ava"
import { faultOf, type Health, probesOf, type Sight, stateOf } from "../../provider/host/swap/health.ts"
import {
  checkHealth,
  HealthError,
  observeFlows,
  refuseStaging,
  StagingError,
  stage,
  stagingBridge,
  unstage,
  watchHealth,
} from "../../provider/host/swap/index.ts"
import { generation } from "./support/domain.ts"
import { ADDRESS4, ADDRESS6, BRIDGE, GATEWAY4, GATEWAY6, Host } from "./support/wire.ts"

const uuid = "6d1c1f8e-0000-4000-8000-000000000007"
const listed = (flags: string, reason = "-") => `www 7 32 1 ${flags} 1.0 ${uuid} ${reason} -`
const ok = (text = "") => ({ ok: true, text })
const no = (text = "") => ({ ok: false, text })
const sight = (more: Partial<Sight> = {}): Sight => ({
  listed: listed("-b----"),
  console: "",
  xlLog: "",
  answers: [ok("HTTP/1.1 200 OK\r\n\r\nfine")],
  ...more,
})

const states: [what: string, seen: Partial<Sight>, state: string, reason?: string][] = [
  ["waits for an event", { listed: listed("-b----") }, "running"],
  ["runs", { listed: listed("r-----") }, "running"],
  ["is between two turns", { listed: listed("------") }, "running"],
  ["is paused", { listed: listed("--p---") }, "paused"],
  ["has shut down and is kept", { listed: listed("---s--", "0") }, "shut down", "poweroff"],
  ["has crashed and is kept", { listed: listed("---sc-", "3") }, "crashed", "crash"],
  ["was stopped by its watchdog", { listed: listed("---s--", "4") }, "shut down", "watchdog"],
  ["is being taken away", { listed: listed("-----d") }, "dying"],
  [
    "stopped at once with reason 0",
    { xlLog: "Domain 6 has shut down, reason code 3 0x3\nDomain 7 has shut down, reason code 0 0x0\n" },
    "gone",
    "poweroff",
  ],
  ["is not there, and nobody knows why", {}, "gone"],
]
for (const [what, seen, state, shutdownReason] of states) {
  test(`a domain that ${what} is ${state}${shutdownReason ? ` (${shutdownReason})` : ""}`, t => {
    t.deepEqual(stateOf({ console: "", xlLog: "", answers: [], ...seen }), {
      state,
      ...(shutdownReason ? { shutdownReason } : {}),
    } as ReturnType<typeof stateOf>)
  })
}

const http = (text: string) => ({ answers: [ok(text)] })
const judged: [says: string, health: Health, seen: Partial<Sight>, fault: string | undefined][] = [
  ["200 by default", { http: {} }, {}, undefined],
  [
    "another status is a fault",
    { http: {} },
    http("HTTP/1.1 503 No\r\n\r\n"),
    "http://192.0.2.7:80/: status 503, wanted 200",
  ],
  [
    "the status that is asked for",
    { http: { status: 301 } },
    http("HTTP/1.0 301 Moved\r\nLocation: /\r\n\r\n"),
    undefined,
  ],
  ["a body that matches", { http: { body: "^fi" } }, {}, undefined],
  [
    "a body that does not match",
    { http: { port: 8080, path: "/x", body: "great" } },
    {},
    'http://192.0.2.7:8080/x: the body "fine" does not match /great/',
  ],
  [
    "a body in chunks is put together first",
    { http: { body: "^Wikipedia$" } },
    http("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\n5;x=y\r\npedia\r\n0\r\n\r\n"),
    undefined,
  ],
  [
    "an answer that came although the connection stays open",
    { http: {} },
    { answers: [no("HTTP/1.1 200 OK\r\n\r\n")] },
    undefined,
  ],
  ["what is no HTTP", { http: {} }, http("SSH-2.0-x\r\n"), "http://192.0.2.7:80/: the answer is no HTTP"],
  ["silence", { http: {} }, { answers: [no()] }, "http://192.0.2.7:80/: no answer"],
  ["a refused connection", { tcp: { port: 25 } }, { answers: [no()] }, "TCP port 25 of 192.0.2.7: no answer"],
  ["a lost ping", { ping: true }, { answers: [no()] }, "ping of 192.0.2.7: no answer"],
  ["a console line", { console: "^ready$" }, { console: "boot\nready\n" }, undefined],
  ["a console without it", { console: "^ready$" }, { console: "boot\n" }, "its console shows no /^ready$/"],
  ["no check at all, and it runs", {}, { answers: [] }, undefined],
  [
    "whatever answers, when it is gone",
    { http: {} },
    { ...http("HTTP/1.1 200 OK\r\n\r\n"), listed: undefined as never },
    "it is gone",
  ],
]
for (const [says, health, seen, fault] of judged) {
  test(`judged: ${says}`, t => {
    t.is(faultOf(health, probesOf(health, ["192.0.2.7/24"]), sight(seen)), fault)
  })
}

test("every check is made at every address, an IPv6 one in brackets", t => {
  const probes = probesOf({ http: { path: "/h" }, ping: true }, ["192.0.2.7/24", "2001:db8::7"])
  t.deepEqual(
    probes.map(({ kind, address }) => `${kind} ${address}`),
    ["ping 192.0.2.7", "http 192.0.2.7", "ping 2001:db8::7", "http 2001:db8::7"],
  )
  t.regex(probes[3]!.request, /^GET \/h HTTP\/1\.1\r\nHost: \[2001:db8::7\]\r\n/)
})

const link = (kind: string, addresses: string[] = []) =>
  ({ network: { links: [{ name: BRIDGE, kind, addresses: addresses.map(cidr => ({ cidr })) }] } }) as never
const refusals: [
  what: string,
  kind: string,
  own: string[],
  addresses: string[],
  gateways: string[],
  says: RegExp | undefined,
][] = [
  ["a gateway", "bridge", [], ["192.0.2.7/24"], ["192.0.2.1"], undefined],
  ["no gateway, but the host beside it", "bridge", ["192.0.2.2/24"], ["192.0.2.7/24"], [], undefined],
  [
    "no gateway, and the host elsewhere",
    "bridge",
    ["198.51.100.2/24"],
    ["192.0.2.7/24"],
    [],
    /nobody can check 192\.0\.2\.7/,
  ],
  [
    "a gateway of the other family",
    "bridge",
    [],
    ["2001:db8::7/64"],
    ["192.0.2.1"],
    /nobody can check 2001:db8::7/,
  ],
  ["no address", "bridge", [], [], ["192.0.2.1"], /its address is not known/],
  [
    "a bridge of Open vSwitch",
    "openvswitch",
    [],
    ["192.0.2.7/24"],
    ["192.0.2.1"],
    /no bridge of Linux's own/,
  ],
]
for (const [what, kind, own, addresses, gateways, says] of refusals) {
  test(`a domain with ${what} ${says ? "cannot" : "can"} be checked apart`, t => {
    const reason = refuseStaging(link(kind, own), { bridge: BRIDGE, addressing: { addresses, gateways } })
    if (says) t.regex(reason ?? "", says)
    else t.is(reason, undefined)
  })
}

const place = { domain: "www", uuid, addresses: [ADDRESS4, ADDRESS6], consoleLog: "/dev/null" }
const addressing = { addresses: [`${ADDRESS4}/24`, `${ADDRESS6}/64`], gateways: [GATEWAY4, GATEWAY6] }

test.serial(
  "apart from all others a domain meets its gateway, under its address and with its MAC, and nobody else",
  async t => {
    await using host = await Host.start()
    await host.xl(listed("-b----"))
    const serving = await generation(host, "1", BRIDGE)
    const staging = await stage(host.connection, { domain: "www", bridge: BRIDGE, addressing })
    t.like(staging, { bridge: stagingBridge("www"), namespace: stagingBridge("www") })
    const next = await generation(host, "2", staging.bridge)
    const health = { http: { body: "^2$" }, tcp: { port: 80 }, ping: true, settle: 0, timeout: 20 }
    await checkHealth(host.connection, health, { ...place, namespace: staging.namespace })
    // The one that serves is not disturbed, and it is another that answers in production.
    await checkHealth(host.connection, { http: { body: "^1$" }, settle: 0 }, place)
    const learnt = await next.station.ip("neigh", "show", "dev", "eth0")
    t.regex(learnt, new RegExp(`^${GATEWAY4} .*02:00:00:00:00:01`, "m"))
    t.regex(learnt, new RegExp(`^${GATEWAY6} .*02:00:00:00:00:01`, "m"))
    // A second time is a first time: what a killed run has left is made anew, with the domain's port on it.
    await stage(host.connection, { domain: "www", bridge: BRIDGE, addressing })
    t.true((await host.ports(staging.bridge)).includes(next.port.vif))
    await checkHealth(host.connection, health, { ...place, namespace: staging.namespace })
    await host.connection.run(observeFlows("www", [serving.port]))
    await unstage(host.connection, "www")
    await unstage(host.connection, "www")
    t.is(await host.sh("ip netns list; nft list tables; ls /sys/class/net | grep '^x[sg]' || true"), "")
  },
)

test.serial("without a gateway the host's own address and MAC stand in", async t => {
  await using host = await Host.start()
  await host.xl(listed("-b----"))
  const { bridge, namespace } = await stage(host.connection, {
    domain: "www",
    bridge: BRIDGE,
    addressing: { addresses: [ADDRESS4], gateways: ["192.0.2.200"] },
  })
  const next = await generation(host, "2", bridge)
  await checkHealth(host.connection, { http: {}, settle: 0 }, { ...place, addresses: [ADDRESS4], namespace })
  t.regex(await next.station.ip("neigh", "show"), /^192\.0\.2\.2 .*02:00:00:00:00:02/m)
})

test.serial("where nobody could ask the domain, that is said", async t => {
  await using host = await Host.start()
  const error = await t.throwsAsync(
    stage(host.connection, {
      domain: "www",
      bridge: BRIDGE,
      addressing: { addresses: ["198.51.100.7/24"], gateways: [] },
    }),
    { instanceOf: StagingError },
  )
  t.regex(
    error?.message ?? "",
    /www cannot be started beside the old domain: nobody on xenbr0 can ask 198\.51\.100\.7/,
  )
})

test.serial(
  "a domain that stops is no longer waited for; the error has its state, its reason and its last 40 lines",
  async t => {
    await using host = await Host.start()
    const [consoleLog, xlLog] = [join(host.directory, "console"), join(host.directory, "xl.log")]
    await writeFile(
      consoleLog,
      `an earlier life\n${Array.from({ length: 50 }, (_, n) => `line ${n + 1}\n`).join("")}`,
    )
    await writeFile(xlLog, "Domain 7 has shut down, reason code 0 0x0\n")
    const at = { ...place, consoleLog, consoleFrom: "an earlier life\n".length, xlLog }
    const error = await t.throwsAsync<HealthError>(checkHealth(host.connection, { settle: 0 }, at), {
      instanceOf: HealthError,
    })
    t.like(error, { host: "root@host:22", domain: "www", state: "gone", shutdownReason: "poweroff" })
    t.deepEqual(
      error?.console,
      Array.from({ length: 40 }, (_, n) => `line ${n + 11}`),
    )
    t.regex(
      error?.message ?? "",
      /root@host:22: www is not healthy after \d+ s: it is gone \(poweroff\)\. .*line 50$/s,
    )
  },
)

test.serial("a console pattern is looked for in this life's lines alone", async t => {
  await using host = await Host.start()
  await host.xl(listed("-b----"))
  const consoleLog = join(host.directory, "console")
  await writeFile(consoleLog, "ready\nboot\n")
  const health = { console: "^ready$", settle: 0, timeout: 0 }
  const at = { ...place, consoleLog, consoleFrom: "ready\n".length }
  await t.throwsAsync(checkHealth(host.connection, health, at), {
    message: /its console shows no \/\^ready\$\//,
  })
  await writeFile(consoleLog, `${await readFile(consoleLog, "utf8")}ready\n`)
  await t.notThrowsAsync(checkHealth(host.connection, health, at))
})

test.serial("on probation a healthy domain passes, and a failure that lasts is told", async t => {
  await using host = await Host.start()
  await host.xl(listed("-b----"))
  const serving = await generation(host, "1", BRIDGE)
  const health = { http: { body: "^1$" }, interval: 0.1 }
  await t.notThrowsAsync(watchHealth(host.connection, health, place, 1))
  await serving.server.end()
  await t.throwsAsync(watchHealth(host.connection, health, place, 60), {
    instanceOf: HealthError,
    message: /not healthy in production, after \d+ s: http:\/\/192\.0\.2\.7:80\/: no answer/,
  })
})
