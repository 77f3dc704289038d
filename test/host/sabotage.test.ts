import { setTimeout as sleep } from "node:timers/promises"
import test from "ava"
import { readFacts } from "../../provider/host/facts/probe.ts"
import type { HostFacts } from "../../provider/host/facts/types.ts"
import {
  arm,
  confirm,
  GuardArmedError,
  GuardRevertedError,
  guardReport,
  isRunning,
  launch,
  takeBack,
} from "../../provider/host/guard/guard.ts"
import { guarded } from "../../provider/host/guard/guarded.ts"
import { planBridge, planBridgeRemoval, resolveBridge } from "../../provider/host/network/bridge.ts"
import { bridgeDrift } from "../../provider/host/network/drift.ts"
import type { Step } from "../../provider/host/step.ts"
import { run } from "../../provider/host/step.ts"
import type { Connection } from "../../provider/ssh/index.ts"
import { brokenIn } from "./helpers/broken.ts"
import { GATEWAY4, TestHost } from "./helpers/container.ts"
import { dhcpClients } from "./helpers/dhcpClients.ts"
import { Random } from "./helpers/random.ts"
import { whenItAnswers } from "./helpers/reach.ts"
import { SETTINGS } from "./helpers/settings.ts"

/**
 * Every run breaks the making of a bridge on a real systemd host in one way, and expects the host on its old setting, by
 * itself; or on the new one, where what was broken did no harm and somebody has seen that. Each way to break a setting is
 * tried in turn, and in every third turn with somebody who looks. SABOTAGE_RUNS and SABOTAGE_SEED repeat or widen it; a
 * failure names its seed.
 */
const RUNS = Number(process.env.SABOTAGE_RUNS ?? 204)
const SEED = Number(process.env.SABOTAGE_SEED ?? 20261122)

/** Seconds: long enough for a change on a loaded machine to be made, so that most runs break after it. */
const WINDOW = 4
/** Seconds beyond its window in which the guard has the old setting back: what it gives its longest way back (guard.sh). */
const MARGIN = 120

/** What ends the run: its configuration, with somebody who looks ("guarded"), or something else. */
type Ending =
  | "guarded"
  | "left after arming"
  | "left after launching"
  | "power cut"
  | "change killed"
  | "reboot"

const UNGUARDED: readonly Ending[] = [
  "left after arming",
  "left after launching",
  "power cut",
  "power cut",
  "change killed",
  "reboot",
]

const settings = Object.keys(SETTINGS)

/** One way after the other to break a setting; how each run ends is random. All of it is told by the seed. */
function chosen(setting: string, seed: number) {
  const random = new Random(seed)
  const broken = brokenIn(setting)
  const turn = Math.floor(seed / settings.length)
  const [what, sabotage] = broken[turn % broken.length]!
  const isGuarded = Math.floor(turn / broken.length) % 3 === 0
  const ending: Ending = isGuarded ? "guarded" : random.pick(UNGUARDED)
  return { what, sabotage, ending, random, story: `seed ${seed}: ${what}, ${ending}` }
}

for (const [at, setting] of settings.entries())
  test(`${setting}: whatever breaks while a bridge is made, the host comes back on its old setting`, async t => {
    const host = await TestHost.start(SETTINGS[setting]!)
    t.teardown(() => host.stop())
    const address = await whenItAnswers(host)
    const connection = host.connection(address)
    const before = await readFacts(connection)
    const clients = await dhcpClients(connection)
    const counts: Record<string, number> = {}
    const hit = new Set<string>()
    const looked = new Set<string>()
    for (let count = 0; count < RUNS / settings.length; count++) {
      const { what, sabotage, ending, random, story } = chosen(setting, SEED + count * settings.length + at)
      const right = planned(await readFacts(connection))
      const step = sabotage(right, random)
      t.notDeepEqual(step.actions, right.actions, `${story}: nothing is broken`)
      hit.add(what)
      if (ending === "guarded") looked.add(what)
      const isConfirmed = await play(host, connection, step, ending, random)
      const end = isConfirmed ? "confirmed" : ending
      counts[end] = (counts[end] ?? 0) + 1
      if (isConfirmed) {
        t.true(await host.answers(address), story)
        t.is((await host.inside(["sh", "-c", BRIDGED])).stdout, bridged(address), story)
        await remove(connection)
      }
      // What was broken may answer, too, at another address: who looks too early has not seen the way back.
      if (!isConfirmed) await whenTakenBack(host)
      await whenItAnswers(host, 90).then(
        found => t.is(found, address, story),
        (error: Error) => t.fail(`${story}: ${error.message}`),
      )
      const after = isConfirmed ? await readFacts(connection) : await whenReverted(connection)
      if (!isConfirmed) {
        const { log } = await guardReport(connection, "network")
        t.true(secondsAway(log) <= WINDOW + MARGIN, `${story}: ${log.join("\n")}`)
      }
      t.deepEqual(after.network.files, before.network.files, story)
      t.is(
        after.network.links.find(({ name }) => name === "xenbr0"),
        undefined,
        story,
      )
      t.is(after.network.uplink, "eth0", story)
      t.is(await dhcpClients(connection), clients, story)
      if (count % 10 === 0) await converge(connection)
    }
    t.log(JSON.stringify(counts))
    // A few runs, to repeat one, are not all there is.
    const all = RUNS < 204 ? [] : brokenIn(setting).map(([what]) => what)
    for (const what of all)
      t.true(hit.has(what) && looked.has(what), `${what}: never tried, or nobody looked`)
  })

/** Where the host has its address, said by its kernel and by none of the provider's plans. */
const BRIDGED = `basename "$(readlink /sys/class/net/eth0/master)"
cat /sys/class/net/xenbr0/address
ip -4 route get 198.18.0.1 | grep -o 'via .* src [^ ]*'`
const bridged = (address: string) => `xenbr0\n02:00:00:00:00:07\nvia ${GATEWAY4} dev xenbr0 src ${address}\n`

/** Seconds from the arming to the end of the way back, by the guard's own log. */
function secondsAway(log: readonly string[]): number {
  const time = (said: RegExp) => Date.parse(log.find(line => said.test(line))?.split(" ")[0] ?? "")
  const back = time(
    / (the old (setting|files) (is|are) back|nothing had been changed yet|restarting the machine into the old setting)$/,
  )
  return (back - time(/ armed: /)) / 1000
}

const WANTED = { name: "xenbr0", uplink: "eth0" }

function planned(facts: HostFacts): Step {
  const [step] = planBridge(facts, { ...WANTED, window: WINDOW })
  if (!step) throw new Error("nothing is planned")
  return step
}

/** Whether it was confirmed. */
async function play(
  host: TestHost,
  connection: Connection,
  step: Step,
  ending: Ending,
  random: Random,
): Promise<boolean> {
  if (ending === "guarded") {
    return guarded(connection, step, { verify: isMade }).then(
      () => true,
      (error: unknown) => {
        if (error instanceof GuardRevertedError) return false
        throw error
      },
    )
  }
  await arm(connection, step).then(async guard => {
    if (ending === "left after arming") return
    if (ending === "power cut" && random.below(4) === 0) return
    await launch(connection, guard)
    if (ending === "left after launching") return
    await sleep(random.below(2500))
    if (ending === "change killed") await host.inside(["pkill", "-KILL", "-f", "guard.sh change"])
  })
  if (ending === "power cut") {
    await host.powerCut()
    await host.powerOn()
  } else if (ending === "reboot") {
    await host.inside(["systemctl", "reboot"])
    await sleep(1500)
    await host.booted()
  }
  return false
}

/** The guard says that the old setting is back: seen from inside, whatever becomes of the network. */
async function whenTakenBack(host: TestHost): Promise<void> {
  for (let tries = 0; tries < 480; tries++) {
    const { exit } = await host.inside([
      "grep",
      "-q",
      "^state=reverted",
      "/var/lib/pulumi-xen/guard/network/state",
    ])
    if (exit === 0) return
    await sleep(250)
    // Where the old setting does not work again by itself, the guard restarts the host.
    if (exit === 1 || exit === 2) continue
    await host.booted()
  }
  throw new Error("the guard has not taken the change back")
}

/** The guard's work is over: the timer has fired, or the restart has been answered. */
async function whenReverted(connection: Connection): Promise<HostFacts> {
  for (let tries = 0; tries < 120; tries++) {
    const facts = await readFacts(connection).catch(() => undefined)
    if (facts && facts.guards[0]?.state === "reverted" && facts.network.uplink === "eth0") return facts
    await sleep(500)
  }
  throw new Error("the guard has not reverted")
}

/** What the Bridge asks before it confirms: some sabotage leaves the host reachable, over its old setting or the new one. */
async function isMade(fresh: Connection): Promise<void> {
  const facts = await readFacts(fresh)
  const drift = bridgeDrift(facts, resolveBridge(facts, WANTED))
  if (planBridge(facts, WANTED).length > 0) throw new Error(`not as wanted yet: ${drift.join(", ")}`)
}

/** The next run with the right input makes the bridge; then it is removed again. */
async function converge(connection: Connection): Promise<void> {
  const [make] = planBridge(await readFacts(connection), { ...WANTED, window: 60 })
  await guarded(connection, make!, { verify: isMade })
  await remove(connection)
}

async function remove(connection: Connection): Promise<void> {
  const [removal] = planBridgeRemoval(await readFacts(connection), "xenbr0", 60)
  await guarded(connection, removal!, {
    verify: async fresh => {
      const { network } = await readFacts(fresh)
      if (network.uplink !== "eth0" || network.links.some(({ name }) => name === "xenbr0"))
        throw new Error("not removed yet")
    },
  })
}

/** Tells that a file of the setting is about to be renamed into place, and never lets it. */
const STUCK = `#!/bin/sh
case "$*" in /etc/*xenbr0*) : >/run/writing && exec sleep 1000 ;; esac
exec /bin/sync "$@"
`

for (const setting of settings.filter(name => name.endsWith("static")))
  test.serial(
    `${setting}: the power fails while a file is written, and nobody takes what is left of it for a setting`,
    async t => {
      const host = await TestHost.start(SETTINGS[setting]!)
      t.teardown(() => host.stop())
      const address = await whenItAnswers(host)
      const connection = host.connection(address)
      const before = await readFacts(connection)
      const configuration = [
        "sh",
        "-c",
        "cd /etc && find network systemd/network NetworkManager -type f | sort",
      ]
      const { stdout: files } = await host.inside(configuration)
      // Time enough for a busy machine: the restart takes the change back, and not the clock.
      const [step] = planBridge(before, { ...WANTED, window: 60 })
      const guard = await arm(connection, step!)
      await host.inside(["sh", "-c", "cat >/usr/local/bin/sync && chmod +x /usr/local/bin/sync"], STUCK)
      await launch(connection, guard)
      await host.inside(["timeout", "60", "sh", "-c", "until [ -e /run/writing ]; do sleep 0.1; done"])
      const { stdout: torn } = await host.inside(configuration)
      t.not(torn, files, "a file is being written")
      await host.powerCut()
      await host.powerOn()
      t.is(await whenItAnswers(host), address)
      const after = await whenReverted(connection)
      t.deepEqual(after.network.links.map(({ name }) => name).toSorted(), ["eth0", "eth1", "lo"])
      t.is((await host.inside(configuration)).stdout, files)
    },
  )

test.serial("a second change is refused while a first one waits for its confirmation", async t => {
  const host = await TestHost.start(SETTINGS["systemd-networkd, static"]!)
  t.teardown(() => host.stop())
  const connection = host.connection(await whenItAnswers(host))
  const [step] = planBridge(await readFacts(connection), { ...WANTED, window: 60 })
  const guard = await arm(connection, step!)
  await t.throwsAsync(arm(connection, step!), {
    instanceOf: GuardArmedError,
    message: /Make the bridge xenbr0/,
  })
  t.is(await confirm(connection, guard), "not-made", "a change that is not made cannot be confirmed")
  t.is((await readFacts(connection)).guards[0]?.state, "armed")
})

test.serial("a guard whose run was killed before its time began gives way to the next", async t => {
  const host = await TestHost.start(SETTINGS["systemd-networkd, static"]!)
  t.teardown(() => host.stop())
  const connection = host.connection(await whenItAnswers(host))
  const [step] = planBridge(await readFacts(connection), { ...WANTED, window: 60 })
  const first = await arm(connection, step!)
  t.true(await isRunning(connection, first.name))
  // What a kill between the two leaves: the state is armed, the timer was never started.
  await host.inside(["systemctl", "stop", `pulumi-xen-guard-${first.name}.timer`])
  t.false(await isRunning(connection, first.name))
  const second = await arm(connection, step!)
  t.not(second.token, first.token)
  t.true(await isRunning(connection, second.name))
})

/** As `update-grub` does it: the menu is written by a command, and no action of the step has its bytes. */
const MENU: Step = {
  title: "Write a menu",
  risk: "boot",
  actions: [run(["sh", "-c", "echo trial >/srv/menu && echo trial >/srv/added"])],
  undo: [],
  guard: {
    name: "dom0",
    window: 60,
    before: [],
    after: [],
    afterBoot: [],
    written: ["/srv/menu", "/srv/added"],
  },
}
const RETURNS: readonly [what: string, back: (host: TestHost, connection: Connection) => Promise<void>][] = [
  ["when nobody confirms", (_, connection) => takeBack(connection, "dom0")],
  [
    "at the next boot",
    async host => {
      await host.powerCut()
      await host.powerOn()
    },
  ],
]
for (const [when, back] of RETURNS)
  test.serial(`what a command of the step has written is put back ${when}`, async t => {
    const host = await TestHost.start(SETTINGS["systemd-networkd, static"]!)
    t.teardown(() => host.stop())
    const connection = host.connection(await whenItAnswers(host))
    await host.inside(["sh", "-c", "mkdir -p /srv && echo old >/srv/menu && chmod 600 /srv/menu"])
    await launch(connection, await arm(connection, MENU))
    const until = async (condition: string) =>
      await host.inside(["timeout", "60", "sh", "-c", `until ${condition}; do sleep 0.1; done`])
    await until("[ -e /var/lib/pulumi-xen/guard/dom0/made ]")
    t.is((await host.inside(["cat", "/srv/menu", "/srv/added"])).stdout, "trial\ntrial\n")
    await back(host, connection)
    await whenItAnswers(host)
    await until("grep -q state=reverted /var/lib/pulumi-xen/guard/dom0/state")
    t.is(
      (await host.inside(["sh", "-c", "cd /srv && stat -c '%n %a' * && cat menu"])).stdout,
      "menu 600\nold\n",
    )
  })

test.serial("what a killed change has left running is ended before anything is put back", async t => {
  const host = await TestHost.start(SETTINGS["systemd-networkd, static"]!)
  t.teardown(() => host.stop())
  const connection = host.connection(await whenItAnswers(host))
  const late = run(["sh", "-c", "echo begun >/srv/menu; sleep 5; echo late >/srv/menu"])
  await host.inside(["sh", "-c", "mkdir -p /srv && echo old >/srv/menu"])
  await launch(connection, await arm(connection, { ...MENU, actions: [late] }))
  await host.inside(["timeout", "60", "sh", "-c", "until grep -qx begun /srv/menu; do sleep 0.1; done"])
  await host.inside(["pkill", "-KILL", "-f", "guard.sh change"])
  await takeBack(connection, "dom0")
  await whenReverted(connection)
  const { stdout } = await host.inside(["sh", "-c", "pgrep -f '[e]cho late'; sleep 6; cat /srv/menu"])
  t.is(stdout, "old\n")
})

test.serial(
  "a change that fails before the uplink is taken down leaves one DHCP client, not two",
  async t => {
    const host = await TestHost.start(SETTINGS["ifupdown, DHCP"]!)
    t.teardown(() => host.stop())
    const address = await whenItAnswers(host)
    const connection = host.connection(address)
    t.is(await dhcpClients(connection), 1)
    const step = planned(await readFacts(connection))
    const broken = { ...step, actions: [run(["false"]), ...step.actions] }
    await t.throwsAsync(guarded(connection, broken, { verify: async () => {} }), {
      instanceOf: GuardRevertedError,
    })
    t.is(await whenItAnswers(host), address)
    await whenReverted(connection)
    t.is(await dhcpClients(connection), 1)
  },
)
