import { dom0Record, planDom0, planDom0Removal } from "../host/boot/dom0.ts"
import { missingProof } from "../host/boot/proof.ts"
import { refuseDom0, refuseHost } from "../host/boot/refusals.ts"
import type { Dom0Wanted } from "../host/boot/wanted.ts"
import { type HostFacts, type Plan, type Refusal, refusal } from "../host/index.ts"
import { claim, ownerOf, refuseForeign, release } from "../host/owner.ts"
import { step } from "../host/step.ts"
import {
  choice,
  type Fields,
  flag,
  incidental,
  integer,
  type Known,
  list,
  optional,
  type Partly,
  text,
  withDefault,
} from "../rpc/declare.ts"
import { type Context, defineResource } from "../rpc/resource.ts"
import { connection, type Hosts } from "./connection.ts"
import { changeHost, driftChange, given, type HostChange, lookForDrift, previewHost } from "./hostChange.ts"

const word = {
  pattern: /[A-Za-z0-9_.,:;=+@%/-]+/,
  says: "a single word for a command line, without blanks, quotes or $",
}

const inputs = {
  connection,
  memory: integer("MiB for dom0, fixed: it neither grows nor shrinks", { min: 1 }),
  vcpus: optional(integer("virtual CPUs of dom0; by default all", { min: 1 })),
  xenOptions: withDefault(
    list("words for Xen's command line beside these, such as loglvl=all", text("option", word)),
    [],
  ),
  linuxOptions: withDefault(
    list("words for dom0's kernel beside what plain Linux is given", text("option", word)),
    [],
  ),
  consoleLog: withDefault(
    flag("whether the guests' consoles are logged, from the first byte, with rotation"),
    true,
  ),
  watchdog: withDefault(flag("whether Xen restarts the machine when dom0 hangs for a minute"), true),
  hvm: withDefault(flag("whether PVH and HVM guests must be possible, which needs VT-x or AMD-V"), false),
  window: withDefault(
    incidental(integer("seconds after a trial boot in which the host must answer", { min: 30, max: 3600 })),
    300,
  ),
  reboot: withDefault(
    incidental(choice("refuse: what needs a restart is refused and nothing is changed", ["allow", "refuse"])),
    "allow",
  ),
} as const satisfies Fields

const outputs = {
  machineId: text("machine-id(5) of the host"),
  bootId: text("the boot in which Xen was proven"),
  xenVersion: text("version of the Xen that runs"),
  virtCaps: list("what guests it can run: pv, hvm, hap, …", text("capability")),
  totalMemory: integer("MiB of the machine"),
  guestMemory: integer("MiB beside dom0's, for guests and Xen itself"),
  guard: choice("how the guard of the last change ended; none where no restart was needed", [
    "none",
    "confirmed",
    "reverted",
  ]),
  drift: list("what has to be done for dom0 to be as wanted again; empty as it should be", text("step")),
} as const satisfies Fields

type Inputs = Known<typeof inputs>
type Outputs = Known<typeof outputs>

/** Firmware of large machines takes minutes, and a trial that failed means a second restart. */
const slowRestarts = 45

const wantedOf = ({ connection: _, ...rest }: Inputs): Dom0Wanted => given(rest)

/** The steps to the dom0 that is asked for: for the runbook, which makes no mark. */
export function planOfDom0(from: Inputs, facts: HostFacts): Plan {
  return planDom0(facts, wantedOf(from))
}

function making(wanted: Dom0Wanted, urn: string, adopting: boolean): HostChange {
  return {
    refusals: facts => [
      ...refuseDom0(facts, wanted),
      ...(adopting ? refuseForeign(facts, "dom0", urn, dom0Record(facts) !== undefined) : []),
    ],
    plan: facts => [...claim(facts, "dom0", urn), ...planDom0(facts, wanted)],
    missing: (facts, before) =>
      missingProof(facts, wanted, restartNeeded(before, wanted) ? before.boot.bootId : undefined),
  }
}

const restartNeeded = (facts: HostFacts, wanted: Dom0Wanted): boolean =>
  planDom0(facts, wanted).some(({ risk }) => risk === "boot")

function removing(reboot: Dom0Wanted["reboot"]): HostChange {
  return {
    refusals: facts => (planDom0Removal(facts).length > 0 ? refuseRemoval(facts, reboot) : []),
    plan: facts => [
      ...planDom0Removal(facts),
      ...(ownerOf(facts, "dom0") === undefined
        ? []
        : [step("Forget whose the machine's Xen was", [release("dom0")])]),
    ],
    missing: (facts, before) => [
      ...(facts.xen && dom0Record(before) ? ["Xen still runs"] : []),
      ...(dom0Record(facts) ? ["the old configuration is not back"] : []),
    ],
  }
}

function refuseRemoval(facts: HostFacts, reboot: Dom0Wanted["reboot"]): Refusal[] {
  const domains = facts.xen?.domains ?? []
  return [
    ...refuseHost(facts),
    ...(facts.xen && reboot === "refuse"
      ? [
          refusal(
            "reboot",
            "The machine would have to restart into plain Linux, and restarts are refused.",
            'Say reboot: "allow" and update first.',
          ),
        ]
      : []),
    ...(domains.length > 0
      ? [
          refusal(
            "reboot",
            `The machine would have to restart, and the domains ${domains.join(", ")} run on it.`,
            "Destroy or stop them first.",
          ),
        ]
      : []),
  ]
}

function describe(
  facts: HostFacts,
  wanted: Dom0Wanted,
  guard: Outputs["guard"],
  drift: readonly string[],
): Outputs {
  const totalMemory = facts.xen?.totalMemory ?? facts.memory.total
  return {
    machineId: facts.machineId,
    bootId: facts.boot.bootId,
    xenVersion: facts.xen?.version ?? "",
    virtCaps: facts.xen?.virtCaps ?? [],
    totalMemory,
    guestMemory: Math.max(0, totalMemory - wanted.memory),
    guard,
    drift,
  }
}

/**
 * Xen on a machine, with its control domain. The machine boots Xen on trial: until a fresh connection has seen it
 * run as wanted, the boot after that is the old one.
 */
export function dom0(hosts: Hosts) {
  async function ensure(
    from: Inputs,
    context: Context<Outputs>,
    before: { adopting: boolean; machineId?: string | undefined; guard?: Outputs["guard"] | undefined },
  ): Promise<Outputs> {
    const host = await hosts.connect(from.connection, context)
    const wanted = wantedOf(from)
    let guard = before.guard ?? "none"
    const change = making(wanted, context.urn, before.adopting)
    const facts = await changeHost(
      host,
      {
        ...change,
        refusals: seen => [...refuseAnother(seen, before.machineId), ...change.refusals(seen)],
        begin: seen => {
          if (restartNeeded(seen, wanted)) {
            guard = "confirmed"
            warnOfDomains(seen, context)
          }
          context.exists(
            seen.machineId,
            describe(seen, wanted, guard === "confirmed" ? "reverted" : guard, []),
          )
        },
      },
      context,
    )
    return describe(facts, wanted, guard, [])
  }

  return defineResource({
    description:
      "Xen on a host: in GRUB's menu, on trial first, with its control domain's memory and services.",
    inputs,
    outputs,
    defaultTimeout: slowRestarts,

    drift: state => driftChange(state.outputs),

    async preview(news: Partly<Inputs>, context, state): Promise<Partial<Outputs>> {
      if (news.memory === undefined) return {}
      const wanted = wantedOf(news as Inputs)
      const change = making(wanted, context.urn, !state)
      // Xen may be installed by another resource of the same update.
      const refusals = (facts: HostFacts) =>
        change.refusals(facts).filter(({ code }) => code !== "no-xen-package")
      const found = await previewHost(hosts, news.connection, { ...change, refusals }, context)
      if (found === undefined) return {}
      if (restartNeeded(found.facts, wanted)) {
        warnOfDomains(found.facts, context)
        return { machineId: found.facts.machineId }
      }
      return describe(found.facts, wanted, state?.outputs.guard ?? "none", [])
    },

    async create(from, context) {
      const made = await ensure(from, context, { adopting: true })
      return { id: made.machineId, outputs: made }
    },

    update: (id, state, from, context) =>
      ensure(from, context, { adopting: false, machineId: id, guard: state.outputs.guard }),

    async read(id, state, context) {
      const host = await hosts.connect(state.inputs.connection, context)
      const wanted = wantedOf(state.inputs)
      const { facts, drift } = await lookForDrift(host, making(wanted, context.urn, false), context)
      if (facts.machineId !== id || dom0Record(facts) === undefined) return undefined
      const guard = state.outputs.guard ?? "none"
      return { inputs: state.inputs, outputs: describe(facts, wanted, guard, drift) }
    },

    async delete(_id, state, context) {
      const host = await hosts.connect(state.inputs.connection, context)
      await changeHost(host, removing(state.inputs.reboot), context)
    },
  })
}

function refuseAnother(facts: HostFacts, machineId: string | undefined): Refusal[] {
  if (machineId === undefined || facts.machineId === machineId) return []
  return [
    refusal(
      "input",
      `The machine that answers is ${facts.machineId}, and this resource is of ${machineId}.`,
      "Run pulumi refresh: the resource is then made anew on the machine that is there now.",
    ),
  ]
}

function warnOfDomains({ xen }: HostFacts, context: Context): void {
  const domains = xen?.domains ?? []
  if (domains.length > 0) context.log("warning", `the restart stops the domains ${domains.join(", ")}`)
}
