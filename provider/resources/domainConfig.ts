import {
  check,
  configOf,
  type Disk,
  type DomainConfig,
  generate,
  macFromName,
  migrate,
  normalizeMac,
  parse,
  renderSkeleton,
  SkeletonError,
  type SkeletonValues,
  skeletonVariables,
  ValueError,
  vdevNumber,
  XlcfgError,
} from "xlcfg"
import { disksOf, vifsOf } from "../host/domain/devices.ts"
import { withoutIdentity } from "../host/domain/wanted.ts"
import { kernelPath, storeDirectory } from "../host/kernels.ts"
import type { Inputs } from "./domainInputs.ts"

/** A text that a configuration is made from: the content of a skeleton, or of a whole configuration. */
export interface Base {
  readonly form: "xl.in" | "xl.hbs" | "xl"
  readonly text: string
}

export interface Computed {
  /** Canonical, checked, without UUID and port names. */
  readonly text: string
  /** What xl would do with it that may not be meant, in sentences. */
  readonly warnings: readonly string[]
}

/** Why there is no configuration; `property` is the input that it is about. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError"
  readonly property: string

  constructor(property: string, message: string) {
    super(message)
    this.property = property
  }
}

type Given = Omit<Inputs, "connection">

/** The final configuration of a domain. Pure. @throws ConfigurationError */
export async function computeConfiguration(given: Given, base: Base | undefined): Promise<Computed> {
  const { name, kernel } = given
  const skeleton = base && (await read(given, base))
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

/** MiB for a unikernel whose build says nothing. */
const defaultMemory = 32

function finish(config: DomainConfig): Computed {
  const text = say("configuration", () => generate(config))
  const findings = check(text)
  const errors = findings.filter(({ severity }) => severity === "error")
  if (errors.length > 0)
    throw new ConfigurationError(
      propertyOf(errors[0]!.key),
      errors
        .map(({ key, message, remedy }) => `${key ? `${key}: ` : ""}${message}${remedy ? `; ${remedy}` : ""}`)
        .join("\n"),
    )
  const warnings = findings.filter(({ severity }) => severity === "warning")
  return {
    text,
    warnings: warnings.map(
      ({ key, message, remedy }) => `${key ? `${key}: ` : ""}${message}${remedy ? `; ${remedy}` : ""}`,
    ),
  }
}

const ownInputs: readonly string[] = ["kernel", "memory", "maxmem", "vcpus", "maxvcpus", "type"]

function propertyOf(key: string | undefined): string {
  if (key === "vif") return "networks"
  if (key === "disk") return "disks"
  return key !== undefined && ownInputs.includes(key) ? key : "configuration"
}

async function read(given: Given, { form, text }: Base): Promise<DomainConfig> {
  const property = given.skeleton === undefined ? "configuration" : "skeleton"
  const rendered = form === "xl" ? text : await render(given, form, text)
  return say(property, () => {
    const document = migrate(parse(rendered)).document
    try {
      // A whole configuration may leave its name to its domain.
      return configOf(document.get("name") === undefined ? document.set("name", given.name) : document)
    } catch (error) {
      const errors = check(document).filter(
        ({ severity, code }) => severity === "error" && code !== "missing-key",
      )
      if (!(error instanceof ValueError) || errors.length === 0) throw error
      throw new ConfigurationError(
        property,
        errors
          .map(
            ({ position, key, message, remedy }) =>
              `line ${position.line}: ${key ? `${key}: ` : ""}${message}${remedy ? `; ${remedy}` : ""}`,
          )
          .join("\n"),
      )
    }
  })
}

async function render(given: Given, form: "xl.in" | "xl.hbs", text: string): Promise<string> {
  if (form === "xl.in") {
    return say("skeleton", () => renderSkeleton(text, valuesFor(skeletonVariables(text), given)))
  }
  // Handlebars takes longer to load than all the rest of a check.
  const { renderTemplate, templateVariables } = await import("xlcfg/handlebars")
  return say("skeleton", () => renderTemplate(text, templateValues(templateVariables(text), given)))
}

/** The values of a MirageOS skeleton (mirage/mirage, lib/devices/target.ml), and what the program adds. */
function valuesFor(names: readonly string[], given: Given): SkeletonValues {
  const { name, kernel, memory = defaultMemory, networks = [], disks = [], variables = {} } = given
  const unnamed = <T extends { readonly name?: string | undefined }>(all: readonly T[], prefix: string) => {
    const slots = names.filter(slot => slot.startsWith(prefix))
    return new Map(
      slots.flatMap((slot, index) => {
        const found =
          all.find(one => one.name === slot.slice(prefix.length)) ??
          all.filter(one => one.name === undefined)[index]
        return found === undefined ? [] : [[slot, found] as const]
      }),
    )
  }
  const known: Record<string, string | number> = {
    NAME: name,
    MEMORY: memory,
    ...(kernel !== undefined && { KERNEL: pathOfKernel(kernel) }),
    ...Object.fromEntries([...unnamed(disks, "BLOCK:")].map(([slot, { path }]) => [slot, path])),
    ...Object.fromEntries([...unnamed(networks, "NETWORK:")].map(([slot, { bridge }]) => [slot, bridge])),
  }
  const used = Object.entries(known).filter(([variable]) => names.includes(variable))
  return { ...Object.fromEntries(used), ...variables }
}

/** The data of a Handlebars skeleton: the inputs by their names. */
function templateValues(names: readonly string[], given: Given) {
  const { name, kernel, memory = defaultMemory, vcpus = 1, networks = [], disks = [], variables = {} } = given
  const known = {
    name,
    memory,
    vcpus,
    arguments: [...(given.arguments ?? [])],
    networks: networks.map(network => ({ ...pick(network, ["bridge", "mac", "name"]) })),
    disks: disks.map(disk => ({ ...pick(disk, ["path", "vdev", "access", "format", "name"]) })),
    ...(kernel !== undefined && { kernel: pathOfKernel(kernel) }),
  }
  const used = Object.entries(known).filter(([variable]) => names.includes(variable))
  return { ...Object.fromEntries(used), ...variables } as Parameters<
    typeof import("xlcfg/handlebars").renderTemplate
  >[1]
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

function pathOfKernel(kernel: string): string {
  return /^[0-9a-fA-F]{64}$/.test(kernel) ? kernelPath(kernel.toLowerCase()) : kernel
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
  const vifs = say("networks", () => vifsOf(config))
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
  const said = say("disks", () => disksOf(config)).filter(
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

function pick<T extends object, K extends keyof T>(
  from: T,
  names: readonly K[],
): { [P in K]?: Exclude<T[P], undefined> } {
  const entries = names.flatMap(name => (from[name] === undefined ? [] : [[name, from[name]]]))
  return Object.fromEntries(entries) as { [P in K]?: Exclude<T[P], undefined> }
}

function say<T>(property: string, make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (error instanceof SkeletonError) throw new ConfigurationError("skeleton", error.message)
    if (error instanceof XlcfgError) throw new ConfigurationError(property, error.message)
    throw error
  }
}
