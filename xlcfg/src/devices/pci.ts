import { ValueError } from "../errors.ts"
import type { Report } from "../problem.ts"
import { boolean, integer, oneOf, text } from "./fields.ts"
import { keyValueSpec } from "./keyValue.ts"
import { checkField, parseSpec, type Spec } from "./spec.ts"

/** A host's PCI device for a guest: one entry of `pci=`, xl-pci-configuration(5). The names are xl's own. */
export interface Pci {
  /** Address on the host, `[domain:]bus:device.function` in hexadecimal, `*` for all functions. Or `name`. */
  readonly bdf?: string
  /** The name under which `xl pci-assignable-add` made the device known, in place of `bdf`. */
  readonly name?: string
  /** The slot that the guest sees it in: 0 to 31. */
  readonly vslot?: number
  readonly permissive?: boolean
  readonly msitranslate?: boolean
  readonly seize?: boolean
  readonly power_mgmt?: boolean
  readonly rdm_policy?: "strict" | "relaxed"
}

const bdfField = {
  wanted: "a PCI address like 0000:03:00.0",
  read: normalizeBdf,
  write: (value: string) => value,
}
const slotField = {
  wanted: "a slot from 0 to 1f",
  read: (value: string) => (/^(0x)?[01]?[0-9a-f]$/i.test(value) ? Number.parseInt(value, 16) : undefined),
  write: (value: number) => integer(0, 31).write(value) && value.toString(16),
}
const options = keyValueSpec("PCI specification", {
  bdf: bdfField,
  name: text("a name"),
  vslot: slotField,
  permissive: boolean,
  msitranslate: boolean,
  seize: boolean,
  power_mgmt: boolean,
  rdm_policy: oneOf(["strict", "relaxed"]),
})

/** The language of `pci=` entries: an address first, `@slot` behind it, then options. */
export const pciSpec: Spec<Pci> = { kind: options.kind, scan, print }

/** Reads one entry of `pci=`. Throws {@link ValueError} for what xl refuses. */
export function parsePci(spec: string): Pci {
  return parseSpec(pciSpec, spec)
}

/** Writes one entry of `pci=`. Throws {@link ValueError} for values that cannot be written. */
export function printPci(pci: Pci): string {
  return pciSpec.print(pci)
}

/** The full lower-case form of a PCI address, `undefined` for what is none. */
function normalizeBdf(text: string): string | undefined {
  const match = /^(?:([0-9a-f]{1,4}):)?([0-9a-f]{1,2}):([01]?[0-9a-f])\.([0-7*])$/i.exec(text)
  if (!match) return undefined
  const [, domain = "0", bus, device, func] = match
  return `${domain.padStart(4, "0")}:${bus!.padStart(2, "0")}:${device!.padStart(2, "0")}.${func}`.toLowerCase()
}

function scan(spec: string, report: Report): Pci | undefined {
  const [first = "", ...rest] = spec.split(",")
  const [, address, slot] = /^([^=@]*)(?:@(.*))?$/s.exec(first) ?? []
  const place =
    address === undefined ? [first] : [`bdf=${address}`, ...(slot === undefined ? [] : [`vslot=${slot}`])]
  const named = [...place, ...rest].join(",")
  const pci = options.scan(named, report)
  // Unlike other devices', these options have no empty parts but the last, and no blanks before them.
  if (/^[ ,]|,[ ,]/.test(spec))
    report({
      code: "bad-value",
      message: `an empty part or a blank in the ${pciSpec.kind} ${JSON.stringify(spec)}`,
    })
  if ((pci?.bdf === undefined) === (pci?.name === undefined))
    report({
      code: "bad-value",
      message: `the ${pciSpec.kind} ${JSON.stringify(spec)} needs either an address or a name`,
    })
  return pci
}

function print(pci: Pci): string {
  if ((pci.bdf === undefined) === (pci.name === undefined))
    throw new ValueError(pciSpec.kind, "needs either bdf or name")
  const { bdf, vslot, ...rest } = pci
  if (bdf === undefined) return options.print(pci)
  const address = normalizeBdf(checkField(pciSpec.kind, "bdf", bdf))
  if (address === undefined)
    throw new ValueError(pciSpec.kind, `${JSON.stringify(bdf)} is not ${bdfField.wanted}`)
  const place = vslot === undefined ? address : `${address}@${slotField.write(vslot)}`
  return [place, options.print(rest)].filter(part => part !== "").join(",")
}
