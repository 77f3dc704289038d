/** A domain's network interface as dom0 has it: a port of a bridge. */
export interface Port {
  /** The interface in dom0, `vifname` of xl-network-configuration(5). */
  readonly vif: string
  readonly bridge: string
  readonly mac: string
}

/** The same address before and after: `from` is absent when nobody serves yet. */
export interface Handover {
  readonly mac: string
  readonly bridge: string
  readonly from?: string
  readonly to: string
}

/** Pairs what gives an address up with what takes it over: the same MAC on the same bridge. */
export function handovers(from: readonly Port[], to: readonly Port[]): readonly Handover[] {
  const mac = (port: Port) => port.mac.toLowerCase()
  return to.map(port => {
    const old = from.find(other => mac(other) === mac(port) && other.bridge === port.bridge)
    return { mac: mac(port), bridge: port.bridge, ...(old ? { from: old.vif } : {}), to: port.vif }
  })
}
