import type { Disk, DomainConfig, Vif } from "xlcfg"
import { memoryFor } from "./devices.ts"
import type { DomainDetails } from "./facts.ts"

interface Details {
  readonly c_info?: { readonly name?: string; readonly type?: string; readonly [key: string]: unknown }
  readonly b_info?: { readonly [key: string]: unknown }
  readonly disks?: readonly { readonly [key: string]: unknown }[]
  readonly nics?: readonly { readonly [key: string]: unknown }[]
  readonly [key: string]: unknown
}

/** What libxl puts where the configuration says nothing (xl.cfg(5)). */
const defaultActions = {
  on_poweroff: "destroy",
  on_reboot: "restart",
  on_watchdog: "destroy",
  on_crash: "destroy",
}

const defaultVifScript = "/etc/xen/scripts/vif-bridge"

/** The devices of libxl_domain_config (libxl_types.idl) that have no place in what is read here. */
const otherDevices = [
  ...[
    "pcidevs",
    "rdms",
    "dtdevs",
    "vfbs",
    "vkbs",
    "virtios",
    "vtpms",
    "p9s",
    "pvcallsifs",
    "vdispls",
    "vsnds",
  ],
  ...["channels", "usbctrls", "usbdevs"],
]

/**
 * The configuration that a running domain has, from libxl's view of it: as it would be written by hand, without what
 * libxl fills in by itself, without UUID and port names.
 */
export function configOfDetails(details: DomainDetails): DomainConfig {
  const { c_info = {}, b_info = {}, disks = [], nics = [], ...rest } = details as Details
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined)
  const count = (value: unknown) => (typeof value === "number" ? value : undefined)
  const mebibytes = (value: unknown) => (typeof value === "number" ? Math.round(value / 1024) : undefined)
  const type = c_info.type === "pvh" || c_info.type === "hvm" ? c_info.type : "pv"
  const ofType = (b_info[`type.${type}`] ?? {}) as { readonly [key: string]: unknown }
  const memory = mebibytes(b_info.target_memkb) ?? mebibytes(b_info.max_memkb)
  const most = mebibytes(b_info.max_memkb)
  const maxvcpus = count(b_info.max_vcpus) ?? 1
  const vcpus = Array.isArray(b_info.avail_vcpus) ? b_info.avail_vcpus.length : maxvcpus
  const actions = Object.entries(defaultActions).flatMap(([key, usual]) => {
    const action = text(rest[key])?.replaceAll("_", "-")
    return action === undefined || action === usual ? [] : [[key, action]]
  })
  const config: DomainConfig = {
    name: c_info.name ?? "",
    type,
    ...given({
      kernel: text(b_info.kernel) ?? text(ofType.kernel),
      ramdisk: text(b_info.ramdisk) ?? text(ofType.ramdisk),
      extra: text(b_info.cmdline) ?? text(ofType.cmdline),
      bootloader: text(b_info.bootloader) ?? text(ofType.bootloader),
      memory,
      maxmem: most === memory ? undefined : most,
      vcpus: vcpus === 1 && maxvcpus === 1 ? undefined : vcpus,
      maxvcpus: vcpus === maxvcpus ? undefined : maxvcpus,
      disk: disks.length > 0 ? disks.map(diskOf) : undefined,
      vif: nics.length > 0 ? nics.map(nic => vifOf(nic, type)) : undefined,
    }),
    ...Object.fromEntries(actions),
  }
  const tables = mebibytes(b_info.shadow_memkb)
  const usual = memoryFor(config) - (config.memory ?? 0) - 1
  return type === "pv" || tables === undefined || Math.abs(tables - usual) <= 1
    ? config
    : { ...config, shadow_memory: tables }
}

/** Devices that a running domain has and an import does not take over. */
export function lostInImport(details: DomainDetails): string[] {
  return otherDevices.filter(name => Array.isArray(details[name]) && details[name].length > 0)
}

function diskOf(disk: { readonly [key: string]: unknown }): Disk {
  const { pdev_path, vdev, format, readwrite, is_cdrom, script } = disk
  return {
    vdev: String(vdev),
    format: (typeof format === "string" ? format : "raw") as NonNullable<Disk["format"]>,
    access: readwrite ? "rw" : "ro",
    ...given({
      target: typeof pdev_path === "string" ? pdev_path : undefined,
      cdrom: is_cdrom ? true : undefined,
      script: typeof script === "string" ? script : undefined,
    }),
  }
}

function vifOf(nic: { readonly [key: string]: unknown }, type: string): Vif {
  const { mac, bridge, script, ip, nictype, model, mtu } = nic
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined)
  return given({
    mac: text(mac),
    bridge: text(bridge),
    ip: text(ip),
    script: text(script) === defaultVifScript ? undefined : text(script),
    type: type === "hvm" && nictype === "vif" ? ("vif" as const) : undefined,
    model: type === "hvm" ? text(model) : undefined,
    mtu: typeof mtu === "number" && mtu !== 1492 && mtu !== 1500 ? mtu : undefined,
  }) as Vif
}

function given<T extends object>(properties: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(properties).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> }
}
