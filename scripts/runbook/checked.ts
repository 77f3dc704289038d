import { xenRegistry } from "../../provider/registry.ts"
import { checkRepositories, openDirectories } from "../../provider/resources/packagesDirectories.ts"
import type { Inputs as PackagesInputs } from "../../provider/resources/packagesInputs.ts"
import { checkInputs } from "../../provider/rpc/check.ts"
import type { Properties } from "../../provider/rpc/value.ts"
import { toCode } from "../../provider/rpc/view.ts"

/** Arguments of a resource, checked and with their defaults, as the provider's own code gets them. */
export async function checked<Inputs>(
  resource: "Packages" | "Bridge" | "Dom0" | "Domain",
  args: object,
): Promise<Inputs> {
  const { inputs: declared } = await xenRegistry().resources[`xen:index:${resource}`]!()
  const { inputs, failures } = checkInputs(declared, args as Properties)
  if (failures.length > 0) throw new Error(failures.map(({ reason }) => reason).join("\n"))
  return toCode(declared, inputs) as Inputs
}

/** Those of a set of packages, with what is in its directories. */
export async function checkedPackages(args: object) {
  const inputs = await checked<PackagesInputs>("Packages", args)
  const { failures = [], inputs: looked } = await checkRepositories(inputs.repositories)
  if (failures.length > 0) throw new Error(failures.map(({ reason }) => reason).join("\n"))
  const from = { ...inputs, ...looked }
  return { from, directories: await openDirectories(from) }
}
