import {
  check,
  configOf,
  type DomainConfig,
  migrate,
  parse,
  renderSkeleton,
  type SkeletonValues,
  skeletonVariables,
  ValueError,
} from "xlcfg"
import { kernelPath } from "../host/kernels.ts"
import { about, ConfigurationError, sentence } from "./configurationError.ts"
import type { Inputs } from "./domainInputs.ts"

/** A text that a configuration is made from: the content of a skeleton, or of a whole configuration. */
export interface Base {
  readonly form: "xl.in" | "xl.hbs" | "xl"
  readonly text: string
}

/** What a program says of a domain. */
export type Given = Omit<Inputs, "connection">

/** MiB for a unikernel whose build says nothing. */
export const defaultMemory = 32

/** What a skeleton, filled, or a whole configuration says, in today's form. @throws ConfigurationError */
export async function readBase(given: Given, { form, text }: Base): Promise<DomainConfig> {
  const property = given.skeleton === undefined ? "configuration" : "skeleton"
  const rendered = form === "xl" ? text : await render(given, form, text)
  return about(property, () => {
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
        errors.map(finding => `line ${finding.position.line}: ${sentence(finding)}`).join("\n"),
      )
    }
  })
}

async function render(given: Given, form: "xl.in" | "xl.hbs", text: string): Promise<string> {
  if (form === "xl.in") {
    return about("skeleton", () => renderSkeleton(text, valuesFor(skeletonVariables(text), given)))
  }
  // Handlebars takes longer to load than all the rest of a check.
  const { renderTemplate, templateVariables } = await import("xlcfg/handlebars")
  return about("skeleton", () => renderTemplate(text, templateValues(templateVariables(text), given)))
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

/** Where a kernel lies on its host, given by its digest or its path. */
export function pathOfKernel(kernel: string): string {
  return /^[0-9a-fA-F]{64}$/.test(kernel) ? kernelPath(kernel.toLowerCase()) : kernel
}

/** The properties of those names that are there. */
export function pick<T extends object, K extends keyof T>(
  from: T,
  names: readonly K[],
): { [P in K]?: Exclude<T[P], undefined> } {
  const entries = names.flatMap(name => (from[name] === undefined ? [] : [[name, from[name]]]))
  return Object.fromEntries(entries) as { [P in K]?: Exclude<T[P], undefined> }
}
