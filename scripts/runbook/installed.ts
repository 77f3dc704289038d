import { readFileSync } from "node:fs"
import type { GrubFacts, HostFacts, Plan } from "../../provider/host/index.ts"
import { RECORDS } from "../../provider/host/records.ts"

const debian = (name: string) => readFileSync(new URL(`debian/${name}`, import.meta.url), "utf8")

/**
 * The facts of a bare machine once its packages are there: what the plan writes, and what Debian 12's xen-utils-common
 * brings. So the chapters that follow can be printed before anything was done.
 */
export function afterPackages(facts: HostFacts, plan: Plan): HostFacts {
  const written = Object.fromEntries(
    plan.flatMap(({ actions }) =>
      actions.flatMap(action =>
        action.kind === "write" && typeof action.content === "string" ? [[action.path, action.content]] : [],
      ),
    ),
  )
  const isMenu = ([path]: [string, unknown]) => path.startsWith("/etc/default/grub")
  const entries = Object.entries<string>(written)
  const { boot } = facts
  return {
    ...facts,
    ...(boot.grub && {
      boot: { ...boot, grub: held(boot.grub, Object.fromEntries(entries.filter(isMenu))) },
    }),
    files: {
      ...facts.files,
      ...Object.fromEntries(entries.filter(one => !isMenu(one))),
      "/etc/default/xen": debian("xen"),
      "/etc/default/xendomains": debian("xendomains"),
    },
  }
}

/** The facts once a bridge is made, as far as the plan of the next one looks: files of the network, and records. */
export function afterBridge(facts: HostFacts, plan: Plan): HostFacts {
  const network = { ...facts.network.files }
  const files = { ...facts.files }
  for (const action of plan.flatMap(({ actions }) => actions)) {
    if (action.kind !== "write" && action.kind !== "remove") continue
    const into = action.path.startsWith(RECORDS) ? files : network
    if (action.kind === "remove") delete into[action.path]
    else if (typeof action.content === "string") into[action.path] = action.content
  }
  return { ...facts, files, network: { ...facts.network, files: network } }
}

/** The menu goes on booting what it booted. */
function held(grub: GrubFacts, defaults: Readonly<Record<string, string>>): GrubFacts {
  const [plain] = grub.entries
  return {
    ...grub,
    followsSaved: true,
    environment: { ...grub.environment, ...(plain && { saved_entry: plain.id }) },
    defaults: { ...grub.defaults, ...defaults },
  }
}
