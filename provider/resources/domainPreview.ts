import type { DomainPlan } from "../host/domain/plan.ts"
import type { DomainWanted } from "../host/domain/wanted.ts"

/** What would be done to a domain, how, and why so: one line. */
export function previewLine({ name, drain, probation }: DomainWanted, plan: DomainPlan): string {
  const { way, reason, target, old } = plan
  const because = reason === "" ? "" : `: ${reason}`
  const generation = `generation ${target.generation}`
  const from =
    old && old.generation.generation !== target.generation
      ? ` in the place of ${old.generation.generation}`
      : ""
  switch (way) {
    case "create":
      return plan.steps.some(step => step.do === "stage")
        ? `would start ${name} as ${generation}, checked before it has its address`
        : `would start ${name} as ${generation} and check it at its address${because}`
    case "live":
      return `would change ${name} as it runs (${changes(plan)}), without a restart${because}`
    case "swap":
      return `would swap ${name}: ${generation}${from}; open connections have ${drain} s, the old one can come back for ${probation} s`
    case "recreate":
      return `would recreate ${name} as ${generation}${from}; it does not answer meanwhile${because}`
    case "none":
      return `would leave ${name} as it runs`
  }
}

function changes({ steps }: DomainPlan): string {
  const done = steps.flatMap(step => {
    if (step.do === "change") return step.xl.map(([subcommand]) => subcommand)
    return step.do === "place" ? [`${step.vif} to ${step.bridge}`] : []
  })
  return done.join(", ") || "its saved configuration"
}
