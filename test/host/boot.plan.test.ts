import test from "ava"
import fc from "fast-check"
import { readAssignment, setAssignments } from "../../provider/host/boot/assignments.ts"
import { planDom0, rebootReasons } from "../../provider/host/boot/dom0.ts"
import { dom0Found } from "../../provider/host/boot/found.ts"
import { planHold } from "../../provider/host/boot/hold.ts"
import { missingProof } from "../../provider/host/boot/proof.ts"
import { refuseDom0 } from "../../provider/host/boot/refusals.ts"
import { planDom0Removal } from "../../provider/host/boot/removal.ts"
import { type Dom0Wanted, linuxOptions, xenOptions } from "../../provider/host/boot/wanted.ts"
import type { HostFacts } from "../../provider/host/facts/types.ts"
import type { Plan, Step } from "../../provider/host/step.ts"
import { hostFacts, PLAIN_ENTRY, XEN_ENTRY } from "./helpers/facts.ts"

const WANTED: Dom0Wanted = { memory: 1024 }
const PLAIN = {
  id: PLAIN_ENTRY,
  title: "Debian GNU/Linux",
  xen: false,
  recovery: false,
  linux: "/boot/vmlinuz-6.1.0-42-amd64",
}
const XEN = {
  ...PLAIN,
  id: XEN_ENTRY,
  title: "Debian GNU/Linux, with Xen hypervisor",
  xen: true,
  hypervisor: "/boot/xen-4.17-amd64.gz",
}

/** Xen's packages are installed, the boot is held. */
const installed = () =>
  hostFacts({
    packages: { xen: [{ name: "xen-system-amd64", installed: "4.17.7" }] },
    boot: { grub: { entries: [PLAIN, XEN], followsSaved: true, environment: { saved_entry: PLAIN_ENTRY } } },
    files: {
      "/etc/default/xen": "XENSTORED_ARGS=\n",
      "/etc/default/xendomains": "XENDOMAINS_SAVE=/var/lib/xen/save\nXENDOMAINS_RESTORE=true\n",
    },
  })

/** What the plan writes is there, and Xen runs with it. */
function running(facts: HostFacts, plan: Plan, saved = XEN_ENTRY): HostFacts {
  const files: Record<string, string> = { ...facts.files }
  const defaults: Record<string, string> = { ...facts.boot.grub!.defaults }
  for (const action of plan.flatMap(({ actions }) => actions)) {
    if (action.kind !== "write") continue
    if (action.path.startsWith("/etc/default/grub")) defaults[action.path] = action.content as string
    else files[action.path] = action.content as string
  }
  return {
    ...facts,
    files,
    boot: {
      ...facts.boot,
      bootId: "22222222-2222-4222-8222-222222222222",
      commandLine: "placeholder root=/dev/vda1 ro quiet panic=30",
      grub: { ...facts.boot.grub!, defaults, environment: { saved_entry: saved } },
    },
    xen: {
      version: "4.17.7",
      controlDomain: true,
      capabilities: [],
      virtCaps: ["pv", "hvm"],
      commandLine: "placeholder dom0_mem=1024M,max:1024M",
      replaced: [],
      totalMemory: 8191,
      domains: [],
    },
  }
}

const titles = (plan: Plan) => plan.map(({ title }) => title)
const commands = (step: Step) =>
  step.actions.flatMap(one => (one.kind === "run" ? [(one.byHand ?? one.command).join(" ")] : []))

test("before Xen is installed the boot is held where it is", t => {
  const [step] = planHold(hostFacts())
  t.is(step?.title, 'Keep "Debian GNU/Linux" the entry that boots')
  t.deepEqual(commands(step!), [`grub-set-default --boot-directory=/boot ${PLAIN_ENTRY}`, "update-grub"])
  const written = step!.actions.flatMap(one =>
    one.kind === "write" ? [[one.path, String(one.content)] as const] : [],
  )
  t.is(written[0]?.[0], "/var/lib/pulumi-xen/boot.json", "noted before anything is changed")
  t.regex(written[1]?.[1] ?? "", /^XEN_OVERRIDE_GRUB_DEFAULT=0\nGRUB_DEFAULT="saved"$/m)
  const held = hostFacts({
    boot: {
      grub: {
        followsSaved: true,
        environment: { saved_entry: PLAIN_ENTRY },
        defaults: Object.fromEntries(written),
      },
    },
  })
  t.deepEqual(planHold(held), [], "held once is held")
})

test("Xen is booted once, on trial; plain Linux stays the default until somebody has come in", t => {
  const plan = planDom0(installed(), WANTED)
  t.deepEqual(titles(plan), [
    "Note how the machine was before",
    "Log the guests' consoles, let guests shut down instead of being saved, watch over dom0",
    "Restart into Xen",
  ])
  const trial = plan.at(-1)!
  t.is(trial.risk, "boot")
  const [first, regenerate, fallback, once] = commands(trial)
  t.is(first, `grub-set-default --boot-directory=/boot ${PLAIN_ENTRY}`)
  t.is(regenerate, "update-grub")
  t.regex(fallback ?? "", /\/boot\/grub\/grub\.cfg grub-editenv \/boot\/grub\/grubenv set$/)
  t.regex(once ?? "", /exec "\$@" "\$entry" .* grub-reboot --boot-directory=\/boot$/)
  t.is(trial.guard?.restart, "after-trial")
  t.regex(trial.guard?.keep?.[0]?.command.join(" ") ?? "", /exec "\$@" saved_entry="\$entry"/)
  t.deepEqual(
    trial.guard?.after.map(command => command.slice(3)),
    [["grub-editenv", "/boot/grub/grubenv", `saved_entry=${PLAIN_ENTRY}`, "fallback", "next_entry"]],
    "no menu is written on the way back",
  )
  t.deepEqual(trial.guard?.written, ["/boot/grub/grub.cfg"], "the old one is kept, and put back")
})

test("a second run does nothing", t => {
  const facts = installed()
  const after = running(facts, planDom0(facts, WANTED))
  t.deepEqual(titles(planDom0(after, WANTED)), [])
  t.deepEqual(missingProof(after, WANTED, facts.boot.bootId), [])
})

test("other options restart once more, and fall back to the Xen that ran", t => {
  const facts = installed()
  const after = running(facts, planDom0(facts, WANTED))
  const plan = planDom0(after, { memory: 2048 })
  t.deepEqual(titles(plan), ["Restart with other options for Xen and dom0"])
  t.is(
    plan[0]?.note,
    "Xen runs without dom0_mem=2048M,max:2048M. Xen still runs with dom0_mem=1024M,max:1024M.",
  )
  t.is(plan[0]?.guard?.restart, "always")
  t.true(plan[0]?.guard?.after.some(command => command.includes(`saved_entry=${XEN_ENTRY}`)))
})

test("a proven Xen that is not the default becomes it, without a restart", t => {
  const facts = installed()
  const after = running(facts, planDom0(facts, WANTED), PLAIN_ENTRY)
  t.deepEqual(titles(planDom0(after, WANTED)), ["Make Xen the entry that boots"])
})

test("whatever a machine was set up with is found there again", t => {
  const word = fc.stringMatching(/^[a-z][a-z0-9_=,:.-]{0,12}$/).filter(text => !/^(dom0_|panic=)/.test(text))
  fc.assert(
    fc.property(
      fc.record(
        {
          memory: fc.integer({ min: 256, max: 4096 }),
          vcpus: fc.integer({ min: 1, max: 8 }),
          xenOptions: fc.uniqueArray(word, { maxLength: 3 }),
          linuxOptions: fc.uniqueArray(word, { maxLength: 3 }),
        },
        { requiredKeys: ["memory", "xenOptions", "linuxOptions"] },
      ),
      wanted => {
        const facts = installed()
        const found = dom0Found(running(facts, planDom0(facts, wanted)))
        t.deepEqual(found, wanted)
      },
    ),
  )
})

const FOREIGN: readonly [commandLine: string, found: Dom0Wanted | undefined][] = [
  ["placeholder dom0_mem=1G loglvl=all", { memory: 1024, xenOptions: ["loglvl=all"], linuxOptions: [] }],
  [
    "dom0_mem=min:512M,2048M,max:4096M no-real-mode edd=off",
    { memory: 2048, xenOptions: [], linuxOptions: [] },
  ],
  ["dom0_mem=1048576", { memory: 1024, xenOptions: [], linuxOptions: [] }],
  ["dom0_mem=1G dom0_mem=512M dom0_max_vcpus=2", { memory: 512, vcpus: 2, xenOptions: [], linuxOptions: [] }],
  ["dom0_max_vcpus=1-4", { memory: 3900, xenOptions: [], linuxOptions: [] }],
]
for (const [commandLine, found] of FOREIGN)
  test(`a Xen set up by hand with "${commandLine}" is found as it runs`, t => {
    const { xen, ...facts } = running(installed(), [])
    t.deepEqual(dom0Found({ ...facts, xen: { ...xen!, commandLine, dom0Memory: 3900 } }), found)
    t.is(dom0Found(facts), undefined, "without Xen there is nothing to find")
  })

test("a removal boots plain Linux once, on trial with Xen behind it, and then gives every file back", t => {
  const facts = installed()
  t.deepEqual(planDom0Removal(facts), [])
  const xenHost = running(facts, planDom0(facts, WANTED))
  const removal = planDom0Removal(xenHost, 45)
  t.deepEqual(
    removal.map(({ risk }) => risk),
    ["boot", "none"],
  )
  const [leave] = removal
  t.is(commands(leave!).at(-1), `grub-reboot --boot-directory=/boot ${PLAIN_ENTRY}`)
  t.like(leave!.guard, { name: "dom0", window: 45, restart: "after-trial" })
  t.true(leave!.guard!.afterBoot[0]?.includes(`saved_entry=${XEN_ENTRY}`))
  t.true(leave!.guard!.keep?.[0]?.command.includes(`saved_entry=${PLAIN_ENTRY}`))
  const { xen: _, ...left } = xenHost
  t.deepEqual(
    titles(planDom0Removal(left)),
    [removal[1]!.title],
    "it has left Xen: the files are what is to do",
  )
  const back = removal[1]!.actions.flatMap(one => (one.kind === "write" ? [[one.path, one.content]] : []))
  t.deepEqual(Object.fromEntries(back), facts.files)
})

test("what a failed trial has left is given back too when the next one succeeds and is removed", t => {
  const facts = installed()
  const { xen: _, ...failed } = running(facts, planDom0(facts, WANTED).slice(0, -1))
  const after = running(failed, planDom0(failed, WANTED))
  const files = planDom0Removal(after).flatMap(({ actions }) => actions)
  const back = files.flatMap(one => (one.kind === "write" ? [[one.path, one.content]] : []))
  t.deepEqual(Object.fromEntries(back), facts.files)
  for (const path of Object.keys(after.files).filter(path => !(path in facts.files)))
    t.true(
      files.some(one => one.kind === "remove" && one.path === path),
      path,
    )
})

/** Xen runs, and somebody else has set it up. */
function foreignXen(xenWords: string, linuxWords = "root=/dev/vda1 ro quiet"): HostFacts {
  const { xen, ...facts } = running(installed(), [])
  return {
    ...facts,
    boot: { ...facts.boot, commandLine: linuxWords },
    xen: { ...xen!, commandLine: xenWords, dom0Memory: 3900 },
  }
}

const TAKEN_OVER: readonly [xenWords: string, wanted: Dom0Wanted, reasons: readonly string[]][] = [
  ["dom0_mem=1G", WANTED, []],
  ["dom0_mem=1048576 loglvl=all", { ...WANTED, xenOptions: ["loglvl=all"] }, []],
  ["dom0_mem=1024M,max:1024M dom0_max_vcpus=2", { ...WANTED, vcpus: 2 }, []],
  ["loglvl=all", { memory: 3900 }, []],
  ["dom0_mem=1G", { memory: 2048 }, ["Xen runs without dom0_mem=2048M,max:2048M"]],
  ["dom0_mem=1G dom0_max_vcpus=1-4", { ...WANTED, vcpus: 2 }, ["Xen runs without dom0_max_vcpus=2"]],
  ["dom0_mem=1G", { ...WANTED, xenOptions: ["loglvl=all"] }, ["Xen runs without loglvl=all"]],
  ["dom0_mem=1G", { ...WANTED, linuxOptions: ["nosmt"] }, ["dom0's kernel runs without nosmt"]],
]
for (const [xenWords, wanted, reasons] of TAKEN_OVER)
  test(`a Xen that runs with "${xenWords}" is taken over for ${JSON.stringify(wanted)}, and ${reasons.length > 0 ? "restarted" : "not restarted"}`, t => {
    const foreign = foreignXen(xenWords)
    t.deepEqual(rebootReasons(foreign, wanted), reasons)
    const plan = planDom0(foreign, wanted)
    t.is(
      plan.some(({ risk }) => risk === "boot"),
      reasons.length > 0,
    )
    const after = running(foreign, plan)
    if (reasons.length > 0) {
      const restarted = {
        ...after,
        boot: { ...after.boot, commandLine: ["root=/dev/vda1", ...linuxOptions(after, wanted)].join(" ") },
        xen: { ...after.xen!, commandLine: xenOptions(wanted).join(" ") },
      }
      t.deepEqual(missingProof(restarted, wanted, "another boot"), [], "and proven with our words")
      return
    }
    const { commandLine } = foreign.xen!
    const taken = { ...after, boot: { ...after.boot, commandLine: foreign.boot.commandLine } }
    const left = planDom0({ ...taken, xen: { ...after.xen!, commandLine, dom0Memory: 3900 } }, wanted)
    t.deepEqual(titles(left), [], "what is written down for the next start is no reason later either")
  })

const SERVICES: readonly [what: string, dropped: Partial<Dom0Wanted>, given: readonly string[]][] = [
  [
    "the watchdog",
    { watchdog: false },
    [
      "/etc/modules-load.d/pulumi-xen.conf",
      "/etc/udev/rules.d/60-pulumi-xen.rules",
      "/etc/systemd/system.conf.d/pulumi-xen.conf",
    ],
  ],
  [
    "the guests' consoles",
    { consoleLog: false },
    ["/etc/default/xen", "/etc/logrotate.d/pulumi-xen", "/etc/tmpfiles.d/pulumi-xen.conf"],
  ],
]
for (const [what, dropped, given] of SERVICES)
  test(`what is no longer wanted is given back, and wanted again it is there again: ${what}`, t => {
    const facts = installed()
    const xenHost = running(facts, planDom0(facts, WANTED))
    const [step, ...more] = planDom0(xenHost, { ...WANTED, ...dropped })
    t.is(step?.title, "Give back what is no longer wanted of Xen's services")
    t.deepEqual(more, [], "nothing restarts")
    const files = { ...xenHost.files }
    for (const one of step!.actions) {
      if (one.kind === "remove") delete files[one.path]
      if (one.kind === "write") files[one.path] = one.content as string
    }
    t.deepEqual(
      given.map(path => files[path]),
      given.map(path => facts.files[path]),
    )
    const without = { ...xenHost, files }
    t.deepEqual(planDom0(without, { ...WANTED, ...dropped }), [], "once")
    const [again] = planDom0(without, WANTED)
    t.deepEqual(
      again!.actions.flatMap(one => (one.kind === "write" ? [one.path] : [])),
      given,
    )
  })

test("what Xen's services are told takes effect at once where Xen runs, and else with the restart", t => {
  const plain = installed()
  const [, services] = planDom0(plain, WANTED)
  t.deepEqual(commands(services!), ["systemd-tmpfiles --create /etc/tmpfiles.d/pulumi-xen.conf"])
  const [, live] = planDom0(foreignXen("dom0_mem=1G"), WANTED)
  t.true(commands(live!).some(command => /modprobe xen_wdt.*daemon-reexec/s.test(command)))
  t.true(commands(live!).some(command => /XENCONSOLED_ARGS/.test(command)))
})

test("what Xen cannot do for its guests is missing for the proof", t => {
  const facts = installed()
  const after = running(facts, planDom0(facts, WANTED))
  const withoutHvm = { ...after, xen: { ...after.xen!, virtCaps: ["pv"] } }
  t.deepEqual(missingProof(after, { ...WANTED, hvm: true }, facts.boot.bootId), [])
  t.deepEqual(missingProof(withoutHvm, WANTED, facts.boot.bootId), [])
  t.regex(missingProof(withoutHvm, { ...WANTED, hvm: true }, facts.boot.bootId).join(), /PVH and HVM guests/)
})

test("a Xen that somebody else had set up stays when it is removed, and nothing restarts", t => {
  const { xen, files } = running(installed(), [])
  const foreign: HostFacts = { ...installed(), ...(xen && { xen }), files }
  const after = running(foreign, planDom0(foreign, WANTED))
  const removal = planDom0Removal(after)
  t.deepEqual(
    removal.map(({ risk }) => risk),
    ["none"],
  )
  t.like(dom0Found(after), { memory: 1024 })
})

test("on EL the options are lines of /etc/default/grub, and GRUB's commands have their names", t => {
  const facts = hostFacts({
    os: { family: "el", id: "rocky" },
    boot: {
      grub: {
        prefix: "grub2",
        directory: "/boot/grub2",
        config: "/boot/grub2/grub.cfg",
        followsSaved: true,
        environment: { saved_entry: PLAIN_ENTRY },
        entries: [PLAIN, XEN],
        defaults: { "/etc/default/grub": "GRUB_DEFAULT=saved\nGRUB_TIMEOUT=5\n" },
      },
    },
  })
  const trial = planDom0(facts, { ...WANTED, watchdog: false }).at(-1)!
  t.deepEqual(commands(trial).slice(0, 2), [
    `grub2-set-default --boot-directory=/boot ${PLAIN_ENTRY}`,
    "grub2-mkconfig -o /boot/grub2/grub.cfg",
  ])
  const file = trial.actions.find(one => one.kind === "write" && one.path === "/etc/default/grub")
  t.is(
    file?.kind === "write" ? file.content : "",
    'GRUB_DEFAULT="saved"\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_XEN_DEFAULT="dom0_mem=1024M,max:1024M"\n' +
      'GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT panic=30 rd.shell=0 rd.emergency=reboot"\n',
  )
})

const REFUSED: [string, HostFacts, Dom0Wanted, string, RegExp][] = [
  [
    "a user without root or sudo",
    hostFacts({ user: { name: "anna", root: false, sudo: false } }),
    WANTED,
    "root",
    /anna is not root/,
  ],
  [
    "an unsupported system",
    hostFacts({ packages: { manager: undefined as never }, os: { prettyName: "Slackware" } }),
    WANTED,
    "os",
    /Slackware/,
  ],
  ["no Xen in the repositories", hostFacts(), WANTED, "no-xen-package", /repositories offer/],
  [
    "more memory than the machine has",
    installed(),
    { memory: 9000 },
    "memory",
    /9000 MiB, but the machine has 8192 MiB/,
  ],
  ["too little memory", installed(), { memory: 64 }, "memory", /would not boot/],
  [
    "a CPU without VT-x",
    { ...installed(), cpu: { count: 1, model: "old" } },
    { ...WANTED, hvm: true },
    "cpu",
    /VT-x/,
  ],
  ["a full /boot", hostFacts({ boot: { bootFree: 3 } }), WANTED, "boot-full", /3 MiB left/],
  [
    "a grubenv on LVM",
    hostFacts({
      boot: {
        grub: { environmentWritable: false, environmentProblem: "grubenv lies on /dev/mapper/vg-root" },
      },
    }),
    WANTED,
    "grubenv",
    /one-shot/,
  ],
  [
    "a menu that never forgets a one-shot entry",
    hostFacts({ boot: { grub: { clearsNext: false } } }),
    WANTED,
    "grubenv",
    /for ever/,
  ],
  [
    "no GRUB",
    { ...hostFacts(), boot: { ...hostFacts().boot, grub: undefined as never } },
    WANTED,
    "boot-loader",
    /No GRUB/,
  ],
  [
    "a restart against the policy",
    installed(),
    { ...WANTED, reboot: "refuse" },
    "reboot",
    /Xen is not running/,
  ],
  ["an option with a blank", installed(), { ...WANTED, xenOptions: ["a b"] }, "input", /"a b"/],
]

for (const [what, facts, wanted, code, words] of REFUSED)
  test(`refused before anything is changed: ${what}`, t => {
    const refusals = refuseDom0(facts, wanted)
    t.true(
      refusals.some(one => one.code === code && words.test(`${one.problem} ${one.remedy}`)),
      JSON.stringify(refusals),
    )
  })

test("what is fit is not refused, and one that runs needs no restart", t => {
  t.deepEqual(refuseDom0(installed(), WANTED), [])
  const facts = installed()
  const after = running(facts, planDom0(facts, WANTED))
  t.deepEqual(rebootReasons(after, WANTED), [])
  t.deepEqual(refuseDom0(after, { ...WANTED, reboot: "refuse" }), [])
})

const REPLACED: [what: string, images: string[], hypervisor: string, restarts: boolean][] = [
  ["the image that GRUB boots is another one", ["/boot/xen-4.17-amd64.gz"], "/boot/xen-4.17-amd64.gz", true],
  ["/boot is a file system of its own", ["/boot/xen-4.17.gz"], "/xen-4.17.gz", true],
  ["a newer Xen came beside it", ["/boot/xen-4.19-amd64.gz"], "/boot/xen-4.19-amd64.gz", true],
  ["an image is new that GRUB does not boot", ["/boot/xen-4.14-amd64.gz"], "/boot/xen-4.17-amd64.gz", false],
]
for (const [what, replaced, hypervisor, restarts] of REPLACED)
  test(`a Xen that was installed since the boot is booted on trial, with plain Linux behind it: ${what}`, t => {
    const before = installed()
    const settled = running(before, planDom0(before, WANTED))
    const facts = {
      ...settled,
      xen: { ...settled.xen!, replaced },
      boot: { ...settled.boot, grub: { ...settled.boot.grub!, entries: [PLAIN, { ...XEN, hypervisor }] } },
    }
    const plan = planDom0(facts, WANTED)
    t.deepEqual(titles(plan), restarts ? ["Restart into the Xen that was installed"] : [])
    if (!restarts) return
    t.regex(plan[0]!.note ?? "", /Xen 4\.17\.7 runs, and \/boot\/xen-4\.1[79]\S*\.gz is another one\./)
    const { after, afterBoot, restart } = plan[0]!.guard!
    for (const back of [after, afterBoot]) t.true(back[0]?.includes(`saved_entry=${PLAIN_ENTRY}`))
    t.is(restart, "after-trial")
    t.true(refuseDom0(facts, { ...WANTED, reboot: "refuse" }).some(({ code }) => code === "reboot"))
  })

test("an assignment that was set is read back, set twice is set once, and other lines stay", t => {
  const value = fc.string({ unit: fc.constantFrom(..."abc019 =,:/._-") }).map(text => text.trim())
  const other = fc.constantFrom(
    "# a comment",
    "OTHER=1",
    "",
    "  GRUB_X=old",
    "export GRUB_X='older'",
    "GRUB_XY=no",
  )
  fc.assert(
    fc.property(fc.array(other), value, (lines, wanted) => {
      const text = lines.map(line => `${line}\n`).join("")
      const once = setAssignments(text, { GRUB_X: wanted })
      t.is(readAssignment(once, "GRUB_X"), wanted)
      t.is(setAssignments(once, { GRUB_X: wanted }), once)
      const rest = (lines: string) => lines.split("\n").filter(line => !/^\s*(export )?GRUB_X=/.test(line))
      t.deepEqual(rest(once), rest(text))
      t.is(readAssignment(setAssignments(once, { GRUB_X: undefined }), "GRUB_X"), undefined)
    }),
  )
})
