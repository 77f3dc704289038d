import type { Inputs, Outputs } from "../../provider/resources/domainInputs.ts"
import { checked } from "../runbook/checked.ts"
import { askPulumi, stackArguments } from "./pulumi.ts"

/** A domain as the stack's state knows it: where it is, and what it is to be. */
export interface Deployed {
  /** The resource's name in the program. */
  readonly resource: string
  readonly urn: string
  readonly inputs: Inputs
  readonly outputs: Partial<Outputs>
}

/** A name that a script was given and the stack does not have, or has more than once. */
export class NoSuchDomainError extends Error {
  override readonly name = "NoSuchDomainError"
}

/** Every domain of the stack. Hosts, too, are known from there: there is no second inventory. */
export async function deployedDomains(stack?: string): Promise<Deployed[]> {
  const args = ["stack", "export", "--show-secrets", ...stackArguments(stack)]
  const { deployment } = JSON.parse(await askPulumi(args)) as { deployment: { resources?: StateResource[] } }
  const domains = (deployment.resources ?? []).filter(
    ({ type, custom, delete: leaving }) => type === "xen:index:Domain" && custom && !leaving,
  )
  return Promise.all(
    domains.map(async ({ urn, inputs = {}, outputs = {} }) => ({
      resource: urn.split("::").at(-1)!,
      urn,
      inputs: await checked<Inputs>("Domain", plain(inputs) as object),
      outputs: plain(outputs) as Partial<Outputs>,
    })),
  )
}

interface StateResource {
  readonly type: string
  readonly urn: string
  readonly custom?: boolean
  /** It was replaced, and waits for its deletion. */
  readonly delete?: boolean
  readonly inputs?: object
  readonly outputs?: object
}

/** The one that is meant, by its name in the program or on its host; `www@host` where several hosts have it. */
export function find(domains: readonly Deployed[], asked: string): Deployed {
  const [name, host] = asked.split(/@(.*)/s, 2) as [string, string?]
  const found = domains.filter(
    ({ resource, inputs }) =>
      (resource === name || inputs.name === name) && (host === undefined || inputs.connection.host === host),
  )
  const [one, ...more] = found.length > 1 ? preferred(found, name) : found
  if (one !== undefined && more.length === 0) return one
  const names = (all: readonly Deployed[]) =>
    all.map(({ resource, inputs }) => `${resource}@${inputs.connection.host}`).join(", ") || "none"
  throw new NoSuchDomainError(
    one === undefined
      ? `The stack has no domain ${asked}; it has ${names(domains)}.`
      : `${asked} is more than one domain: say which of ${names(found)}.`,
  )
}

function preferred(found: readonly Deployed[], name: string): readonly Deployed[] {
  const exact = found.filter(({ resource }) => resource === name)
  return exact.length === 1 ? exact : found
}

// Pulumi's envelope of a secret (sdk/go/common/resource: SigKey, SecretSig); with --show-secrets its text is plain.
const signature = "4dabf18193072939515e22adb298388d"
const secret = "1b47061264138c4ac30d75fd1eb44270"

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== "object" || value === null) return value
  const object = value as Record<string, unknown>
  if (object[signature] === secret) return plain(JSON.parse(String(object.plaintext)))
  return Object.fromEntries(Object.entries(object).map(([key, item]) => [key, plain(item)]))
}
