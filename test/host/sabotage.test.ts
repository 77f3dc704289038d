import { setTimeout as sleep } from "node:timers/promises"
import test from "ava"
import { readFacts } from "../../provider/host/facts/probe.ts"
import type { HostFacts } from "../../provider/host/facts/types.ts"
import {
  arm,
  confirm,
  GuardArmedError,
  GuardRevertedError,
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
import { TestHost } from "./helpers/container.ts"
import { dhcpClients } from "./helpers/dhcpClients.ts"
import { Random } from "./helpers/random.ts"
import { whenItAnswers } from "./helpers/reach.ts"
import { SETTINGS } from "./helpers/settings.ts"

/**
 * Every run breaks the making of a bridge on a real systemd host in one way, and expects the host on its old
 * setting, by itself. SABOTAGE_RUNS and SABOTAGE_SEED repeat or widen it; a failure names its seed.
 */
const RUNS = Number(process.env.SABOTAGE_RUNS ?? 204)
const SEED = Number(process.env.SABOTAGE_SEED ?? 20261122)

/** Seconds: long enough for a change on a loaded machine to be made, so that most runs break after it. */
const WINDOW = 4

type Sabotage = (step: Step, random: Random) => Step

const inFiles =
  (from: RegExp, to: string): Sabotage =>
  step => ({
    ...step,
    actions: step.actions.map(action =>
      action.kind === "write" && typeof action.content === "string" && !action.path.endsWith(".json")
        ? { ...action, content: action.content.replaceAll(from, to) }
        : action,
    ),
  })

const inCommands =
  (change: (commands: Step["actions"], random: Random) => Step["actions"]): Sabotage =>
  (step, random) => ({ ...step, actions: change(step.actions, random) })

/** Broken configurations: what is made works, or does not, but nobody can come in. */
const BROKEN: Readonly<Record<string, Sabotage>> = {
  "a wrong gateway": inFiles(/192\.0\.2\.1(?=\s|,|$)/gm, "192.0.2.99"),
  "a wrong port": inFiles(/\beth0\b/g, "eth1"),
  "no address": inFiles(/192\.0\.2\.7\/24|\bdhcp$|DHCP=ipv4|method=(auto|manual)/gm, ""),
  "another network's address": inFiles(/192\.0\.2\.7\/24/g, "203.0.113.7/24"),
  "empty files": inFiles(/^.+$/gm, "#"),
  "a command that fails": inCommands((actions, random) => random.insert(actions, run(["false"]))),
  "a command that hangs": inCommands((actions, random) => random.insert(actions, run(["sleep", "1000"]))),
  "commands left out": inCommands((actions, random) =>
    actions.filter(({ kind }) => kind !== "run" || random.below(2)),
  ),
  "a bridge that is down": inCommands(actions => [...actions, run(["ip", "link", "set", "xenbr0", "down"])]),
}

/** What ends the run instead of its configuration. */
type Ending =
  | "guarded"
  | "left after arming"
  | "left after launching"
  | "power cut"
  | "change killed"
  | "reboot"

const ENDINGS: readonly Ending[] = [
  ..."guarded guarded guarded".split(" "),
  "left after arming",
  "left after launching",
  "power cut",
  "power cut",
  "change killed",
  "reboot",
] as Ending[]

const settings = Object.keys(SETTINGS)

for (const [at, setting] of settings.entries())
  test(`${setting}: whatever breaks while a bridge is made, the host comes back on its old setting`, async t => {
    const host = await TestHost.start(SETTINGS[setting]!)
    t.teardown(() => host.stop())
    const address = await whenItAnswers(host)
    const before = await readFacts(host.connection(address))
    const clients = await dhcpClients(host.connection(address))
    const counts: Record<string, number> = {}
    for (let count = 0; count < RUNS / settings.length; count++) {
      const seed = SEED + count * settings.length + at
      const random = new Random(seed)
      const [what, sabotage] = random.pick(Object.entries(BROKEN))
      const ending = random.pick(ENDINGS)
      const story = `seed ${seed}: ${what}, ${ending}`
      counts[ending] = (counts[ending] ?? 0) + 1
      const now = await readFacts(host.connection(address))
      const step = sabotage(planned(now), random)
      await play(host, host.connection(address), step, ending, random)
      await whenItAnswers(host, 90).then(
        found => t.is(found, address, story),
        (error: Error) => t.fail(`${story}: ${error.message}`),
      )
      const after = await whenReverted(host.connection(address))
      t.deepEqual(after.network.files, before.network.files, story)
      t.is(
        after.network.links.find(({ name }) => name === "xenbr0"),
        undefined,
        story,
      )
      t.is(after.network.uplink, "eth0", story)
      t.is(await dhcpClients(host.connection(address)), clients, story)
      if (count % 10 === 0) await converge(host.connection(address))
    }
    t.log(JSON.stringify(counts))
  })

const WANTED = { name: "xenbr0", uplink: "eth0" }

function planned(facts: HostFacts): Step {
  const [step] = planBridge(facts, { ...WANTED, window: WINDOW })
  if (!step) throw new Error("nothing is planned")
  return step
}

async function play(host: TestHost, connection: Connection, step: Step, ending: Ending, random: Random) {
  if (ending === "guarded") {
    // Some sabotage leaves the host reachable over its old setting: then the look at the host refuses.
    const verify = async (fresh: Connection) => {
      const facts = await readFacts(fresh)
      if (facts.network.uplink !== "xenbr0" || step.actions.length > 0) throw new Error("not as wanted")
    }
    await guarded(connection, step, { verify }).catch((error: unknown) => {
      if (!(error instanceof GuardRevertedError)) throw error
    })
    return
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

/** The next run with the right input makes the bridge; then it is removed again. */
async function converge(connection: Connection): Promise<void> {
  const [make] = planBridge(await readFacts(connection), { ...WANTED, window: 60 })
  await guarded(connection, make!, {
    verify: async fresh => {
      const facts = await readFacts(fresh)
      const drift = bridgeDrift(facts, resolveBridge(facts, WANTED))
      if (planBridge(facts, WANTED).length > 0) throw new Error(`not as wanted yet: ${drift.join(", ")}`)
    },
  })
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
