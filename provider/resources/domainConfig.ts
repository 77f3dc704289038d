import { check, type Disk, type DomainConfig, generate, macFromName, normalizeMac, vdevNumber } from "xlcfg"
import { disksOf, vifsOf } from "../host/domain/devices.ts"
import { withoutIdentity } from "../host/domain/wanted.ts"
import { storeDirectory } from "../host/kernels.ts"
import { about, ConfigurationError, sentence } from "./configurationError.ts"
import { type Base, defaultMemory, type Given, pathOfKernel, pick, readBase } from "./domainSkeleton.ts"

export interface Computed {
  /** Canonical, checked, without UUID and port names. */
  readonly text: string
  /** What xl would do with it that may not be meant, in sentences. */
  readonly warnings: readonly string[]
}

/** The final configuration of a domain. Pure. @throws ConfigurationError */
export async function computeConfiguration(given: Given, base: Base | undefined): Promise<Computed> {
  const { name, kernel } = given
  const skeleton = base && (await readBase(given, base))
  const type = given.type ?? skeleton?.type ?? typeFrom(given.kinds)
  refuseKinds(type, given.kinds)
  const config: DomainConfig = {
    ...(base === undefined && { on_crash: "preserve" as const }),
    ...skeleton,
    ...(given.config as Partial<DomainConfig> | undefined),
    name,
    type,
    ...(kernel !== undefined && { kernel: pathOfKernel(kernel) }),
  }
  const complete: DomainConfig = {
    ...config,
    ...withArguments(config, given.arguments),
    memory: given.memory ?? config.memory ?? defaultMemory,
    ...pick(given, ["maxmem", "vcpus", "maxvcpus"]),
    ...devices(given, config),
  }
  return finish(withoutIdentity(complete))
}

function finish(config: DomainConfig): Computed {
  const text = about("configuration", () => generate(config))
  const findings = check(text)
  const errors = findings.filter(({ severity }) => severity === "error")
  if (errors.length > 0)
    throw new ConfigurationError(propertyOf(errors[0]!.key), errors.map(sentence).join("\n"))
  const warnings = findings.filter(({ severity }) => severity === "warning")
  return { text, warnings: warnings.map(sentence) }
}

const ownInputs: readonly string[] = ["kernel", "memory", "maxmem", "vcpus", "maxvcpus", "type"]

function propertyOf(key: string | undefined): string {
  if (key === "vif") return "networks"
  if (key === "disk") return "disks"
  return key !== undefined && ownInputs.includes(key) ? key : "configuration"
}

/** PVH where the kernel can be that, as everything of today can; else PV. */
function typeFrom(kinds: Given["kinds"]): NonNullable<Given["type"]> {
  return kinds === undefined || kinds.length === 0 || kinds.includes("pvh") ? "pvh" : "pv"
}

function refuseKinds(type: NonNullable<Given["type"]>, kinds: Given["kinds"]): void {
  if (kinds === undefined || kinds.length === 0 || type === "hvm" || kinds.includes(type)) return
  // Linux's own images carry the notes of both inside their packed payload.
  if (kinds.includes("linux")) return
  throw new ConfigurationError(
    "type",
    `the kernel cannot be started as ${type}: it is one for ${kinds.join(", ")}; leave the type out, or deploy another kernel`,
  )
}

function withArguments(config: DomainConfig, words: Given["arguments"]): Partial<DomainConfig> {
  if (words === undefined || words.length === 0) return {}
  const key = config.cmdline === undefined ? "extra" : "cmdline"
  const before = config[key]
  return { [key]: [...(before ? [before] : []), ...words.map(quoteArgument)].join(" ") }
}

/** MirageOS cuts its command line at blanks; words may stand in double quotes, and \ takes the next character as it is. */
function quoteArgument(word: string): string {
  return /^[^\s"'\\]+$/.test(word) ? word : `"${word.replace(/["\\]/g, "\\$&")}"`
}

function devices({ name, networks = [], disks = [] }: Given, config: DomainConfig): Partial<DomainConfig> {
  const vifs = about("networks", () => vifsOf(config))
  const vif = Array.from({ length: Math.max(vifs.length, networks.length) }, (_, index) => {
    const [said, wanted] = [vifs[index], networks[index]]
    const mac = wanted?.mac === undefined ? said?.mac : checkedMac(wanted.mac)
    return {
      ...said,
      bridge: wanted?.bridge ?? said?.bridge ?? "xenbr0",
      mac: mac ?? macFromName(`${name}/${index}`),
    }
  })
  const wanted = disks.map(({ path, vdev, access = "ro", format = "raw" }): Disk => {
    if (access === "rw" && path.startsWith(`${storeDirectory}/disks/`))
      throw new ConfigurationError(
        "disks",
        `${path} is an image under the digest of its content, which nobody may change: use a volume`,
      )
    return { vdev, target: path, access, format }
  })
  const said = about("disks", () => disksOf(config)).filter(
    ({ vdev }) => !wanted.some(disk => vdevNumber(disk.vdev) === vdevNumber(vdev)),
  )
  const disk = [...said, ...wanted]
  return { ...(disk.length > 0 && { disk }), ...(vif.length > 0 && { vif }) }
}

function checkedMac(mac: string): string {
  const normal = normalizeMac(mac)
  if (normal === undefined)
    throw new ConfigurationError(
      "networks",
      `${mac} is not the address of one interface: it is a group's, or nobody's`,
    )
  return normal
}
