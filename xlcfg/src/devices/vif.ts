import { alias, type Field, flag, integer, oneOf, since, text } from "./fields.ts"
import { type FieldValues, keyValueSpec } from "./keyValue.ts"
import { mac } from "./mac.ts"
import { parseSpec } from "./spec.ts"

/** The parts that COLO adds to a vif, unstable by upstream's own words (`parse_nic_config` in xl_parse.c). */
const coloNames = [
  "forwarddev",
  ...[
    "mirror",
    "compare_pri_in",
    "compare_sec_in",
    "compare_notify",
    "redirector0",
    "redirector1",
    "redirector2",
  ].flatMap(socket),
  ...["sec_redirector0", "sec_redirector1"].flatMap(socket),
  "colo_filter_mirror_queue",
  "colo_filter_mirror_outdev",
  ...["redirector0", "redirector1", "sec_redirector0", "sec_redirector1"].flatMap(name =>
    ["queue", "indev", "outdev"].map(end => `colo_filter_${name}_${end}`),
  ),
  "colo_filter_sec_rewriter0_queue",
  ...["colo_compare_pri_in", "colo_compare_sec_in", "colo_compare_out", "colo_compare_notify_dev"],
  ...["colo_checkpoint_host", "colo_checkpoint_port"],
]

function socket(name: string): string[] {
  return ["id", "ip", "port"].map(end => `colo_sock_${name}_${end}`)
}

const rate: Field<string> = {
  wanted: "a rate like 10Mb/s or 1MB/s@20ms",
  read: value =>
    /^[0-9]+[GMK]?[Bb]\/s(@[0-9]+[mu]?s?)?$/.test(value) && !/^0+[GMKBb]/.test(value) ? value : undefined,
  write: value => value,
}

/** One VLAN, a range, or a series, each with its marks: xl-network-configuration(5). */
const vlan: Field<string> = {
  wanted: "VLANs like 10, 10p/20 or 10p/100+10x4, with numbers from 1 to 4094",
  read: value => {
    const wellFormed =
      /^[0-9]+([pu]|-[0-9]+u?|\+[0-9]+x[0-9]+u?)?(\/[0-9]+([pu]|-[0-9]+u?|\+[0-9]+x[0-9]+u?)?)*$/.test(value)
    const ids = value.split("/").map(term => Number.parseInt(term, 10))
    return wellFormed && ids.every(id => id >= 1 && id <= 4094) ? value : undefined
  },
  write: value => value,
}

const fields = {
  mac,
  bridge: text("a bridge"),
  ip: text("IP addresses, several separated by blanks"),
  script: text("a script"),
  vifname: text("a name"),
  type: oneOf(["vif", "ioemu"]),
  model: text("a model"),
  gatewaydev: alias("netdev", text("an interface")),
  backend: text("a domain"),
  rate,
  devid: integer(),
  mtu: integer(68, 65535),
  vlan: since("4.19", vlan),
  trusted: flag,
  ...(Object.fromEntries(coloNames.map(name => [name, text()])) as {
    readonly [colo: `colo_${string}`]: Field<string>
  }),
}

/**
 * A network interface of a guest: one entry of `vif=`, xl-network-configuration(5). The names are xl's own;
 * everything may be left out. `ip` may hold several addresses, separated by blanks.
 */
export interface Vif extends Omit<FieldValues<Omit<typeof fields, `colo_${string}`>>, never> {
  readonly [colo: `colo_${string}`]: string | undefined
}

/** The language of `vif=` entries. xl skips what it does not know there, so all of that is reported. */
export const vifSpec = keyValueSpec("vif", fields, { unknown: "vif-option" })

/** Reads one entry of `vif=`. Throws {@link ValueError} for a part that xl would skip. */
export function parseVif(spec: string): Vif {
  return parseSpec(vifSpec, spec) as Vif
}

/** Writes one entry of `vif=`. Throws {@link ValueError} for values that cannot be written. */
export function printVif(vif: Vif): string {
  return vifSpec.print(vif as never)
}

/** The IP addresses of an interface, one by one. */
export function addressesOf(vif: Vif): string[] {
  return vif.ip?.split(/\s+/).filter(address => address !== "") ?? []
}
