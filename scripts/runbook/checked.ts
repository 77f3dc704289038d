import { xenRegistry } from "../../provider/registry.ts"
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
