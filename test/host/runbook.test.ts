import test from "ava"
import { planDom0 } from "../../provider/host/boot/dom0.ts"
import { planBridge } from "../../provider/host/network/bridge.ts"
import { planPackages } from "../../provider/host/packages/plan.ts"
import { runbook } from "../../provider/host/runbook.ts"
import { run, step, write } from "../../provider/host/step.ts"
import { Secret } from "../../provider/secret.ts"
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
    "To take it back:",
    "dom0_mem=1024M,max:1024M",
  ])
    t.true(text.includes(part), part)
})

test("a plan with nothing to do says so", t => {
  t.true(runbook("www1", [{ title: "Network", plan: [] }]).includes("Nothing to do: all is as wanted."))
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
  t.true(text.includes("````\n```sh\nx\n```\n````"), text)
})
