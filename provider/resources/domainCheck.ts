import { readFile } from "node:fs/promises"
import type { Failure } from "../rpc/check.ts"
import type { Partly } from "../rpc/declare.ts"
import type { CheckContext } from "../rpc/resource.ts"
import { Asset, unknown } from "../rpc/value.ts"
import { ConfigurationError } from "./configurationError.ts"
import { computeConfiguration } from "./domainConfig.ts"
import { expectDevices } from "./domainDevices.ts"
import type { Inputs } from "./domainInputs.ts"
import type { Base } from "./domainSkeleton.ts"

/** The inputs that a configuration is made from. */
const sources = [
  ...["name", "kernel", "kinds", "skeleton", "variables", "type", "memory", "maxmem", "vcpus", "maxvcpus"],
  ...["arguments", "networks", "disks", "config", "configuration"],
]

/** Computes the configuration; what is wrong with it is a failure of the input that it came from. */
export async function checkDomain(
  given: Partly<Inputs>,
  context: CheckContext,
): Promise<{ inputs?: Partial<Inputs>; failures?: Failure[] }> {
  const failures = contradictions(given, context.unknown)
  if (failures.length > 0) return { failures }
  // Another resource has yet to make it; the diff shows that it is not known.
  if (sources.some(name => context.unknown.has(name)))
    return { inputs: { configuration: unknown as unknown as string } }
  try {
    const base = await readBase(given as Inputs)
    const { text, warnings } = await computeConfiguration(given as Inputs, base)
    if (given.expects !== undefined) await expectDevices(given.expects, text)
    for (const warning of warnings) context.log("warning", `${given.name}: ${warning}`)
    return { inputs: { configuration: text } }
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    return { failures: [{ property: error.property, reason: error.message }] }
  }
}

function contradictions(
  { skeleton, configuration, variables, health, addresses = [] }: Partly<Inputs>,
  unknowns: ReadonlySet<string>,
): Failure[] {
  const asked = (["http", "tcp", "ping"] as const).filter(name => health?.[name])
  const patterns = [
    ["health.console", health?.console],
    ["health.http.body", health?.http?.body],
  ] as const
  return [
    ...(skeleton !== undefined && configuration !== undefined
      ? [
          {
            property: "configuration",
            reason: "a domain has a skeleton, or its whole configuration, but not both",
          },
        ]
      : []),
    ...(skeleton === undefined && variables !== undefined && Object.keys(variables).length > 0
      ? [
          {
            property: "variables",
            reason: "there are variables, but no skeleton to fill: give skeleton as well",
          },
        ]
      : []),
    ...(asked.length > 0 && addresses.length === 0 && !unknowns.has("addresses")
      ? [
          {
            property: "addresses",
            reason: `health.${asked[0]} asks the domain at its addresses, and none is given: give addresses`,
          },
        ]
      : []),
    ...patterns.flatMap(([property, pattern]) => {
      const wrong = pattern === undefined ? undefined : patternProblem(pattern)
      return wrong === undefined
        ? []
        : [{ property, reason: `${property} is no regular expression: ${wrong}` }]
    }),
  ]
}

function patternProblem(pattern: string): string | undefined {
  try {
    new RegExp(pattern)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

async function readBase({ skeleton, configuration }: Inputs): Promise<Base | undefined> {
  if (configuration !== undefined) return { form: "xl", text: configuration }
  if (skeleton === undefined) return undefined
  const source = skeleton instanceof Asset ? skeleton.source : { path: skeleton }
  if ("text" in source) return { form: formOf(source.text), text: source.text }
  if ("uri" in source)
    throw new ConfigurationError(
      "skeleton",
      `the skeleton ${source.uri} must be a file or a text: fetch it first`,
    )
  const text = await readSkeleton(source.path)
  if (source.path.endsWith(".hbs")) return { form: "xl.hbs", text }
  return { form: source.path.endsWith(".in") ? "xl.in" : formOf(text), text }
}

/** A text without a file's name tells by what it has: `{{…}}`, or `@NAME@`. */
function formOf(text: string): Base["form"] {
  if (text.includes("{{")) return "xl.hbs"
  return /@[A-Za-z][A-Za-z0-9_]*(:[^@\s"'\\#]+)?@/.test(text) ? "xl.in" : "xl"
}

async function readSkeleton(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8")
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const why = code === "ENOENT" ? "does not exist; was it built?" : `cannot be read (${code})`
    throw new ConfigurationError("skeleton", `the skeleton ${path} ${why}`)
  }
}
