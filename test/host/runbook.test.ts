import { execFileSync, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test from "ava"
import { planDom0 } from "../../provider/host/boot/dom0.ts"
import { refuseDom0 } from "../../provider/host/boot/refusals.ts"
import { planBridge } from "../../provider/host/network/bridge.ts"
import { planPackages } from "../../provider/host/packages/plan.ts"
import { runbook } from "../../provider/host/runbook/runbook.ts"
import { run, step, write } from "../../provider/host/step.ts"
import { Secret } from "../../provider/secret.ts"
import { quoteCommand } from "../../provider/ssh/quote.ts"
import { codeOf } from "../helpers/runbook.ts"
import { hostFacts } from "./helpers/facts.ts"

test("a runbook is the plans, in words, commands and files that a person can follow", t => {
  const facts = hostFacts()
  const text = runbook("www1", [
    { title: "Packages", plan: planPackages(facts, { id: "xen", packages: [{ name: "xen-system-amd64" }] }) },
    { title: "Network", plan: planBridge(facts, { name: "xenbr0", uplink: "eth0" }) },
    { title: "Xen", plan: planDom0(facts, { memory: 1024 }) },
  ])
  for (const part of [
    "# Runbook for www1",
    "## Packages",
    "Install xen-system-amd64",
    "ifup --force xenbr0",
    "**This can cut you off.**",
    "**The machine restarts, and may not come up as it should.**",
    "To take it back:",
    "dom0_mem=1024M,max:1024M",
  ])
    t.true(text.includes(part), part)
})

test("a plan with nothing to do says so", t => {
  t.true(runbook("www1", [{ title: "Network", plan: [] }]).includes("Nothing to do: all is as wanted."))
})

test("a plan that something is in the way of is not said to be done: what is in the way comes first", t => {
  const { grub: _, ...boot } = hostFacts().boot
  const facts = { ...hostFacts(), boot }
  const wanted = { memory: 1024 }
  const text = runbook("www1", [
    { title: "Xen", plan: planDom0(facts, wanted), refusals: refuseDom0(facts, wanted) },
  ])
  t.false(text.includes("Nothing to do"))
  t.regex(text, /\*\*This is in the way, and comes first:\*\*\n\n.*- No GRUB menu was found/s)
})

test("a secret is not printed, commands that follow each other are one block, and fences never end early", t => {
  const text = runbook("www1", [
    {
      title: "All",
      plan: [
        step("Do it", [
          run(["echo", "it's"]),
          run(["true"], { env: { A: "b c" } }),
          write("/key", new Secret("hunter2"), 0o600),
          write("/doc", "```sh\nx\n```\n"),
        ]),
      ],
    },
  ])
  t.false(text.includes("hunter2"))
  t.true(text.includes("```sh\necho 'it'\\''s'\nA='b c' true\n```"), text)
  t.true(text.includes("````sh\ninstall -D -m 644 /dev/stdin /doc <<'END'\n```sh\nx\n```\nEND\n````"), text)
})

const bridge = () =>
  runbook("www1", [
    { title: "Network", plan: planBridge(hostFacts(), { name: "xenbr0", uplink: "eth0", window: 240 }) },
  ])
const xen = () => runbook("www1", [{ title: "Xen", plan: planDom0(hostFacts(), { memory: 1024 }) }])

/** [what is promised, what is printed, in this order] */
const ways: [promise: string, text: () => string, parts: string[]][] = [
  [
    "a change of the network lays its files aside, arms the way back, and is made by the host itself",
    bridge,
    [
      "cp -p /etc/network/interfaces /root/runbook/network-1/old/1",
      "/dev/stdin /root/runbook/network-1/new/1 <<'END'",
      "/dev/stdin /root/runbook/network-1/back.sh <<'END'",
      "ifdown --force xenbr0 || true\n",
      "cp -p /root/runbook/network-1/old/1 /etc/network/interfaces;",
      "ifup --force eth0\n",
      "/dev/stdin /root/runbook/network-1/change.sh <<'END'",
      "ifdown --force eth0 || true\n",
      "/root/runbook/network-1/new/1 /etc/network/interfaces\n",
      "ifup --force xenbr0\nEND\n",
      "systemd-run --unit=runbook-network-1 --on-active=240 ",
      "setsid nohup sh -c 'sleep 240; ",
      "systemd-run -p KillMode=process sh /root/runbook/network-1/change.sh",
      "over a **new** connection",
      "systemctl stop runbook-network-1.timer",
      "touch /root/runbook/network-1/kept",
      "To take it back, at any time:",
      "sh /root/runbook/network-1/back.sh",
    ],
  ],
  [
    "a restart into Xen is told to its end: the restart, the proof, what makes it the default, and the way back",
    xen,
    [
      "grub-reboot",
      "systemctl enable runbook-xen-3.service",
      "cat /proc/sys/kernel/random/boot_id >/root/runbook/xen-3/boot_id\nreboot\n",
      "**If it does not come back**",
      '[ "$(cat /proc/sys/kernel/random/boot_id)" != "$(cat /root/runbook/xen-3/boot_id)" ]\n',
      "grep control_d /proc/xen/capabilities\nxl info\n",
      " Xen 'dom0_mem=1024M,max:1024M'\n",
      "next_entry=.",
      "keep it:",
      "grub-set-default '--boot-directory=/boot'\n",
      "systemctl disable --now runbook-xen-3.service",
      "To take it back, whatever runs:",
      "grub-editenv /boot/grub/grubenv unset next_entry",
    ],
  ],
]
for (const [promise, print, parts] of ways)
  test(promise, t => {
    const text = print()
    let from = 0
    for (const part of parts) {
      const at = text.indexOf(part, from)
      t.not(at, -1, `${part}\nis not in what follows:\n${text.slice(from)}`)
      from = at + part.length
    }
  })

test("each thing that the guard does to keep Xen is told to a person", t => {
  const { keep = [] } = planDom0(hostFacts(), { memory: 1024 }).at(-1)!.guard!
  t.true(keep.length > 0)
  for (const { command, byHand } of keep) t.true(xen().includes(`${quoteCommand(byHand ?? command)}\n`))
})

/** [what is there, Xen's command line, GRUB's environment, whether that is the proof] */
const proofs: [what: string, xen: string, environment: string, proven: boolean][] = [
  ["all of it", "placeholder dom0_mem=1024M,max:1024M loglvl=all", "saved_entry=a\nnext_entry=", true],
  ["a Xen with other options", "dom0_mem=1024M,max:1024M0 loglvl=all", "saved_entry=a", false],
  ["a Xen with fewer options", "dom0_mem=1024M,max:1024M", "saved_entry=a", false],
  ["an entry that is still to be booted", "loglvl=all dom0_mem=1024M,max:1024M", "next_entry=xen", false],
]
for (const [what, xen, environment, proven] of proofs)
  test(`the proof that a person looks for, with ${what}: ${proven ? "it is there" : "it is not there"}`, t => {
    const folder = mkdtempSync(join(tmpdir(), "runbook-"))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const program = (name: string, prints: string) =>
      writeFileSync(join(folder, name), `#!/bin/sh\ncat <<'END'\n${prints}\nEND\n`, { mode: 0o755 })
    program("xl", `host : www1\nxen_commandline        : ${xen}\nxend_config_format : 4`)
    program("grub-editenv", environment)
    const proof = planDom0(hostFacts(), { memory: 1024, xenOptions: ["loglvl=all"] }).at(-1)!.guard!.proof!
    // What is read of this machine's own kernel is no part of the case.
    const asked = proof.filter(command => !/\/proc\//.test(command.join(" ")))
    t.is(asked.length, 3)
    const env = { PATH: `${folder}:${process.env.PATH}` }
    const said = asked.map(([name, ...words]) => spawnSync(name!, words, { env }).status)
    t.is(
      said.every(status => status === 0),
      proven,
    )
  })

test("a session that the change drops is asked for no command that drops it", t => {
  const typed = codeOf(bridge()).filter(code => !code.includes("/dev/stdin"))
  t.true(typed.length > 5)
  t.deepEqual(
    typed.filter(code => /^if(up|down) /m.test(code)),
    [],
  )
})

test("a plain restart tells how to see that it was one", t => {
  const text = runbook("www1", [{ title: "Linux", plan: [step("Restart", [], { risk: "reboot" })] }])
  t.regex(text, /boot_id >\/root\/runbook\/linux-1\/boot_id\nreboot\n/)
})

test("a file is written as it is, whatever it holds and however it ends", t => {
  const contents = ["", "a\n", "a", "END\nb\n", "$HOME `id` \\ 'x'\n", "\n\n"]
  const files = contents.map((content, at) => write(`folder/${at}`, content, 0o600))
  const folder = mkdtempSync(join(tmpdir(), "runbook-"))
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const code of codeOf(runbook("www1", [{ title: "All", plan: [step("Write", files)] }])))
    execFileSync("sh", ["-eu"], { input: code, cwd: folder })
  t.deepEqual(
    contents.map((_, at) => readFileSync(join(folder, `folder/${at}`), "utf8")),
    contents,
  )
})

test("what only the host can tell is asked for where it is used, in commands and in files", t => {
  const text = runbook(
    "www1",
    [
      {
        title: "All",
        plan: [step("Do it", [run(["echo", "a UNKNOWN b", "UNKNOWN"]), write("told", "UNKNOWN,UNKNOWN")])],
      },
    ],
    { unknowns: [{ placeholder: "UNKNOWN", command: "printf %s 42" }] },
  )
  const folder = mkdtempSync(join(tmpdir(), "runbook-"))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const said = codeOf(text).map(code => execFileSync("sh", ["-eu"], { input: code, cwd: folder }).toString())
  t.is(said[0], "a 42 b 42\n")
  t.is(readFileSync(join(folder, "told"), "utf8"), "42,42\n")
})
