import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import test, { type ExecutionContext } from "ava"
import { type HostFacts, planBridge, readFacts } from "../../provider/host/index.ts"
import { codeOf } from "../helpers/runbook.ts"
import { startWiredHost, type WiredHost } from "../helpers/wiredHost.ts"
import { whenItAnswers } from "./helpers/reach.ts"
import { SETTINGS } from "./helpers/settings.ts"

const script = fileURLToPath(new URL("../../scripts/runbook.ts", import.meta.url))
const WANTED = { name: "xenbr0", uplink: "eth0" }

/** What the script prints for a host of the inventory, asked over its sshd. */
async function printed(wired: WiredHost): Promise<string> {
  const cache = mkdtempSync(join(tmpdir(), "runbook-"))
  mkdirSync(join(cache, "labs/wired"), { recursive: true })
  const record = { name: "wired", ...wired.connection, uplink: "eth0" }
  writeFileSync(join(cache, "labs/wired/lab.json"), JSON.stringify(record))
  try {
    const env = { ...process.env, PULUMI_XEN_CACHE: cache }
    const { stdout } = await promisify(execFile)(process.execPath, [script, "wired"], { env })
    return stdout
  } finally {
    rmSync(cache, { recursive: true })
  }
}

/** The bridge's chapter, in the parts that its sentences begin. */
function bridgeStep(text: string) {
  const [, chapter = ""] = /^## The bridge xenbr0\n(.*?)^## /ms.exec(text) ?? []
  const from = (words: string) => chapter.slice(chapter.indexOf(words))
  const first = (words: string) => codeOf(from(words))[0]!
  return {
    prepare: codeOf(chapter.slice(0, chapter.indexOf("Arm the way back"))),
    arm: first("Arm the way back"),
    change: first("Make the change:"),
    armBare: codeOf(from("Arm the way back"))[1]!,
    changeBare: codeOf(from("Make the change:"))[1]!,
    look: first("Look, over a **new** connection"),
    keep: first("Only when you have come in anew"),
    keepBare: codeOf(from("Only when you have come in anew"))[1]!,
    takeBack: first("To take it back, at any time:"),
  }
}

async function factsOnce(wired: WiredHost, asSaid: (facts: HostFacts) => boolean): Promise<HostFacts> {
  for (let tries = 0; ; tries++) {
    const facts = await readFacts(wired.host.connection(await whenItAnswers(wired.host)))
    if (asSaid(facts) || tries === 60) return facts
    await sleep(500)
  }
}

const isBridged = (facts: HostFacts) =>
  facts.network.uplink === "xenbr0" && planBridge(facts, WANTED).length === 0

const isBack = ({ network }: HostFacts) =>
  network.uplink === "eth0" && !network.links.some(({ name }) => name === "xenbr0")

async function followed(t: ExecutionContext, setting: string, systemd: boolean): Promise<void> {
  await using wired = await startWiredHost(SETTINGS[setting]!)
  const before = await factsOnce(wired, () => true)
  const text = await printed(wired)
  t.true(text.startsWith("# Runbook for wired\n"))
  t.notRegex(text, /The machine was not asked|MAC-OF|UUID-OF/)
  t.true(text.includes("pre-up ip link set dev xenbr0 address 02:00:00:00:00:07"), "the host's own facts")
  t.regex(text, /^## Xen and dom0.*This is in the way.*No GRUB menu was found/ms, "this host cannot boot Xen")
  const step = bridgeStep(text)

  for (const block of step.prepare) await wired.inside(block)
  t.false(isBridged(await factsOnce(wired, () => true)), "nothing is changed before it is armed")
  await wired.inside(systemd ? step.arm : step.armBare)
  await wired.inside(systemd ? step.change : step.changeBare)
  const bridged = await factsOnce(wired, isBridged)
  t.deepEqual(planBridge(bridged, WANTED), [], "it is the bridge that the plan makes")
  t.is(bridged.network.uplink, "xenbr0")
  await wired.inside(step.look)
  await wired.inside(systemd ? step.keep : step.keepBare)
  const timers = await wired.inside("systemctl list-timers --all --no-legend 'runbook-*'")
  t.is(timers.trim(), "", "nothing takes it back any more")
  const clients = "ps -eo args | grep '[d]hclient' | grep -c xenbr0 || true"
  t.is((await wired.inside(clients)).trim(), setting.includes("DHCP") ? "1" : "0", "its DHCP client lives on")

  await wired.inside(step.takeBack)
  const after = await factsOnce(wired, isBack)
  t.true(isBack(after))
  t.deepEqual(after.network.files, before.network.files)
}

for (const [setting, systemd] of [
  ["ifupdown, static", true],
  ["ifupdown, DHCP", true],
  ["ifupdown, static", false],
] as const)
  test.serial(
    `${setting}, ${systemd ? "with" : "without"} systemd's help: who pastes what is printed has the bridge that the plan makes, and can give it back`,
    t => followed(t, setting, systemd),
  )

for (const systemd of [true, false])
  test.serial(
    `${systemd ? "with" : "without"} systemd's help: who does not come in anew has the old setting back, by what was armed`,
    async t => {
      await using wired = await startWiredHost(SETTINGS["ifupdown, static"]!)
      const before = await factsOnce(wired, () => true)
      const step = bridgeStep(await printed(wired))
      for (const block of step.prepare) await wired.inside(block)
      // Nobody waits for three minutes here.
      const armed = (systemd ? step.arm : step.armBare).replace(/(?<=on-active=|sleep )180/, "15")
      t.regex(armed, /(on-active=|sleep )15\b/)
      await wired.inside(armed)
      await wired.inside(systemd ? step.change : step.changeBare)
      const made = "until grep -q 'ifup --force xenbr0' /root/runbook/*/change.log; do sleep 0.2; done"
      await wired.inside(made)
      await wired.inside(
        "until grep -q 'ip -4 route show default' /root/runbook/*/back.log; do sleep 0.5; done",
      )
      const after = await factsOnce(wired, isBack)
      t.true(isBack(after))
      t.deepEqual(after.network.files, before.network.files)
    },
  )
