import { randomBytes, randomUUID } from "node:crypto"
import { CfgSyntaxError, type Disk, type Document, parse, parseDisk, parseVif, toLong } from "xlcfg"
import { Refused } from "./reply.ts"

export type Action = "destroy" | "restart" | "rename-restart" | "preserve" | "soft-reset"

export interface WantedVif {
  readonly mac: string
  readonly bridge: string
  readonly vifname: string | undefined
  /** Its hotplug script, where that is not vif-bridge. */
  readonly script: string | undefined
}

/** A domain's configuration as far as the simulated Xen acts on it. */
export interface Wanted {
  readonly name: string
  readonly uuid: string
  readonly type: "pv" | "pvh" | "hvm"
  readonly kernel: string
  /** Absent where nothing is said of it, which is not the same as empty. */
  readonly cmdline: string | undefined
  /** MiB. */
  readonly memory: number
  readonly maxmem: number
  readonly vcpus: number
  readonly maxvcpus: number
  readonly vifs: readonly WantedVif[]
  readonly disks: readonly Disk[]
  readonly actions: {
    readonly [event in "poweroff" | "reboot" | "crash" | "watchdog" | "soft_reset"]: Action
  }
}

/** Reads a configuration as xl does: `from` is where it lies, for the messages. */
export function readWanted(text: string, from: string): Wanted {
  const document = parsed(text, from)
  const string = (key: string): string | undefined => {
    const value = document.get(key)
    return typeof value === "string" ? value : undefined
  }
  const number = (key: string): number | undefined => {
    const value = document.get(key)
    return typeof value === "string" ? Number(toLong(value) ?? Number.NaN) : undefined
  }
  const list = (key: string): string[] => {
    const value = document.get(key)
    return Array.isArray(value) ? value.filter(item => typeof item === "string") : []
  }
  const name = string("name")
  if (name === undefined) throw new Refused(`${parsing(from)}Domain name must be specified.\n`)
  const type = string("type") || "pv"
  const kernel = string("kernel")
  if (kernel === undefined && type !== "hvm")
    throw new Refused(`${parsing(from)}Neither kernel nor bootloader specified\n`)
  const memory = number("memory") ?? 32
  const vcpus = number("vcpus") ?? 1
  const root = string("root")
  const extra = string("extra")
  const action = (event: string, usual: Action): Action => (string(`on_${event}`) ?? usual) as Action
  return {
    name,
    uuid: string("uuid") ?? randomUUID(),
    type: type as Wanted["type"],
    kernel: kernel ?? "",
    cmdline: string("cmdline") ?? (root === undefined ? extra : `root=${root} ${extra ?? ""}`),
    memory,
    maxmem: number("maxmem") ?? memory,
    vcpus,
    maxvcpus: number("maxvcpus") ?? vcpus,
    vifs: list("vif").map(readVif),
    disks: list("disk").map(spec => readDisk(spec, from)),
    actions: {
      poweroff: action("poweroff", "destroy"),
      reboot: action("reboot", "restart"),
      watchdog: action("watchdog", "destroy"),
      crash: action("crash", "destroy"),
      soft_reset: action("soft_reset", "soft-reset"),
    },
  }
}

export const parsing = (from: string): string => `Parsing config from ${from}\n`

function parsed(text: string, from: string): Document {
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof CfgSyntaxError)) throw error
    throw new Refused(
      `${parsing(from)}${from}:${error.position.line}: config parsing error near \`${error.excerpt}': syntax error\n` +
        "Failed to parse config: Invalid argument\n",
    )
  }
}

/** One vif of `vif=` or of `xl network-attach`'s words, joined by commas. */
export function readVif(spec: string): WantedVif {
  const vif = parseVif(spec)
  const random = [...randomBytes(3)].map(byte => byte.toString(16).padStart(2, "0")).join(":")
  return {
    mac: vif.mac ?? `00:16:3e:${random}`,
    bridge: vif.bridge ?? "xenbr0",
    vifname: vif.vifname,
    script: vif.script,
  }
}

/** What xlcfg refuses only for its name in the guest, libxl refuses later. */
export function readDisk(spec: string, from: string): Disk {
  try {
    return parseDisk(spec)
  } catch {
    const vdev = /\bvdev=([^,]*)/.exec(spec)?.[1]
    const plain = vdev === undefined ? undefined : attemptDisk(spec.replace(`vdev=${vdev}`, "vdev=xvda"))
    if (plain) return { ...plain, vdev: vdev! }
    throw new Refused(`${parsing(from)}${from}: config parsing error in disk specification: ${spec}
`)
  }
}

function attemptDisk(spec: string): Disk | undefined {
  try {
    return parseDisk(spec)
  } catch {
    return undefined
  }
}
