import { type Refusal, refusal } from "../refusal.ts"
import { memoryFor } from "./devices.ts"
import type { DomainFacts } from "./facts.ts"
import type { DomainPlan } from "./plan.ts"

/**
 * What the domains of one preview take together. Each of them finds the host as it is; only this sees that two that fit
 * alone do not fit both.
 */
export class MemoryLedger {
  /** MiB by domain, by host. */
  readonly #promised = new Map<string, Map<string, number>>()

  /** Notes what a plan takes when it is done, and refuses it where the others have left too little. */
  account(host: string, name: string, { xen }: DomainFacts, plan: DomainPlan): Refusal[] {
    const promised = this.#promised.get(host) ?? new Map<string, number>()
    this.#promised.set(host, promised)
    promised.delete(name)
    const needed = memoryTaken(plan)
    if (needed <= 0) return []
    const others = [...promised].filter(([, memory]) => memory > 0)
    const sum = others.reduce((total, [, memory]) => total + memory, 0)
    promised.set(name, needed)
    if (needed + sum <= xen.freeMemory || others.length === 0) return []
    return [
      refusal(
        "memory",
        `${name} takes ${needed} MiB. Of ${xen.totalMemory} MiB, ${xen.freeMemory} are free, and ${sum} of these go to ${others.map(([other]) => other).join(", ")} in this update.`,
        "Give them less memory, or put one of them on another host.",
      ),
    ]
  }
}

/** MiB that are gone when the plan is done. */
function memoryTaken({ steps, target }: DomainPlan): number {
  const started = steps.some(step => step.do === "start") && target.config ? memoryFor(target.config) : 0
  const freed = steps.flatMap(step =>
    step.do === "stop" || step.do === "discard" ? [step.domain.memory] : [],
  )
  return started - freed.reduce((sum, memory) => sum + memory, 0)
}
