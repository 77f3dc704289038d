import { planDom0 } from "../host/boot/dom0.ts"
import { missingProof } from "../host/boot/proof.ts"
import { dom0Record } from "../host/boot/record.ts"
import { refuseDom0, refuseHost } from "../host/boot/refusals.ts"
import { planDom0Removal } from "../host/boot/removal.ts"
import type { Dom0Wanted } from "../host/boot/wanted.ts"
import { readFacts } from "../host/facts/probe.ts"
import { type HostFacts, type Plan, type Refusal, refusal, refuse } from "../host/index.ts"
import { claim, ownerOf, refuseForeign, release } from "../host/owner.ts"
import { step } from "../host/step.ts"
import { choice, type Fields, integer, type Known, list, type Partly, text } from "../rpc/declare.ts"
import { type Context, defineResource } from "../rpc/resource.ts"
import type { Hosts } from "./connection.ts"
import { type Inputs, inputs, inputsOf, machineIdRule, wantedOf } from "./dom0Inputs.ts"
import { changeHost, type HostChange } from "./hostChange.ts"
import { driftChange, lookForDrift, previewHost } from "./hostLook.ts"
import { parseImportId } from "./importId.ts"

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

type Outputs = Known<typeof outputs>

/** Firmware of large machines takes minutes, and a trial that failed means a second restart. */
const slowRestarts = 45

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

const forgetOwner = step("Forget whose the machine's Xen was", [release("dom0")])

function removing({ reboot, window }: Dom0Wanted): HostChange {
  return {
    refusals: facts =>
      planDom0Removal(facts).length > 0 || ownerOf(facts, "dom0") !== undefined
        ? refuseRemoval(facts, reboot)
        : [],
    plan: facts => [
      ...planDom0Removal(facts, window),
      ...(ownerOf(facts, "dom0") === undefined ? [] : [forgetOwner]),
    ],
    missing: (facts, before, step) => [
      ...(facts.xen && dom0Record(before)?.adopted === false ? ["Xen still runs"] : []),
      ...(dom0Record(facts) && step === undefined ? ["the old configuration is not back"] : []),
    ],
  }
}

function refuseRemoval(facts: HostFacts, reboot: Dom0Wanted["reboot"]): Refusal[] {
  if (dom0Record(facts)?.adopted) return refuseHost(facts)
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
    const exists = (seen: HostFacts, how: Outputs["guard"]) =>
      context.exists(seen.machineId, describe(seen, wanted, how, []))
    const facts = await changeHost(
      host,
      {
        ...change,
        refusals: seen => [...refuseAnother(seen, before.machineId), ...change.refusals(seen)],
        begin: seen => {
          exists(seen, guard)
          if (restartNeeded(seen, wanted)) {
            guard = "confirmed"
            warnOfDomains(seen, context)
          }
        },
        reverted: seen => exists(seen, "reverted"),
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
      const { facts, drift, reverted } = await lookForDrift(host, making(wanted, context.urn, false), context)
      if (facts.machineId !== id || (facts.xen === undefined && dom0Record(facts) === undefined))
        return undefined
      const guard = reverted ? "reverted" : (state.outputs.guard ?? "none")
      return { inputs: state.inputs, outputs: describe(facts, wanted, guard, drift) }
    },

    async import(id, context) {
      const { connection, name: machineId } = parseImportId(id, "dom0", machineIdRule)
      const host = await hosts.connect(connection, context)
      const facts = await readFacts(host, { signal: context.signal })
      refuse(host.name, refuseAnother(facts, machineId))
      const found = inputsOf(facts)
      if (found === undefined) return undefined
      const inputs = { connection, ...found }
      return { id: machineId, inputs, outputs: describe(facts, wantedOf(inputs), "none", []) }
    },

    async delete(_id, state, context) {
      const host = await hosts.connect(state.inputs.connection, context)
      await changeHost(host, removing(wantedOf(state.inputs)), context)
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
