import { observeDomain } from "../provider/host/domain/observe.ts"
import type { Connection } from "../provider/ssh/index.ts"
import { type Deployed, deployedDomains, find, NoSuchDomainError } from "./stack/deployed.ts"
import { askPulumi, showPulumi, stackArguments } from "./stack/pulumi.ts"
import { runScript } from "./stack/script.ts"

const usage = `Usage: npm run rollback -- NAME [GENERATION] [--stack S]
       npm run rollback -- NAME --list
       npm run rollback -- NAME --release

Has an earlier generation of a unikernel serve again: the one that is named, by default the one that served before.
It is an update like any other: checked first, and without a lost request. The stack's configuration holds it there
(rollback:NAME), so that the next \`pulumi up\` does not undo it; --release lets it go on to what the program says.`

const line = {
  usage,
  names: "a unikernel",
  more: 1,
  options: { list: { type: "boolean" }, release: { type: "boolean" } },
} as const

await runScript(line, async ({ positionals: [name, generation], values }, { connect }) => {
  const deployed = find(await deployedDomains(values.stack), name!)
  const { resource, inputs, urn } = deployed
  const stack = stackArguments(values.stack)
  const key = `rollback:${resource}`
  const host = await connect(inputs.connection)
  if (values.list) {
    console.log(await list(host, inputs.name))
    return 0
  }
  if (values.release) await askPulumi(["config", "rm", key, ...stack])
  else await askPulumi(["config", "set", key, generation ?? (await previous(host, deployed)), ...stack])

  // This domain alone: a rollback is no time for whatever else has changed in the program.
  const exit = await showPulumi(["up", "--yes", "--skip-preview", "--target", urn, ...stack])
  if (exit !== 0) return exit
  const { current } = (await observeDomain(host, inputs.name)).store ?? {}
  const wanted = values.release ? undefined : (await askPulumi(["config", "get", key, ...stack])).trim()
  if (wanted !== undefined && wanted !== current) {
    console.error(
      `${name} is still at generation ${current}: its program does not read ${key}. The component Unikernel does; ` +
        "with a Domain of your own, give it as the input generation.",
    )
    return 1
  }
  console.log(
    values.release
      ? `${name} is at generation ${current}, as the program says.`
      : `${name} is held at generation ${current}. Let it go with: npm run rollback -- ${name} --release`,
  )
  return 0
})

/** The one that served before the one that serves, as far as the host still has it. */
async function previous(host: Connection, { inputs: { name } }: Deployed): Promise<string> {
  const { store } = await observeDomain(host, name)
  const served = store?.history.map(({ generation }) => generation) ?? []
  const before = served.findLast(
    generation => generation !== store?.current && store?.generations.has(generation),
  )
  if (before === undefined)
    throw new NoSuchDomainError(`${host.name} has no earlier generation of ${name} to go back to.`)
  return before
}

async function list(host: Connection, name: string): Promise<string> {
  const { store } = await observeDomain(host, name)
  const lines = [...(store?.generations.keys() ?? [])].map(generation => {
    const since = store?.history.findLast(entry => entry.generation === generation)?.time
    const mark = generation === store?.current ? "*" : " "
    return `${mark} ${generation}  ${since === undefined ? "has never served" : `began to serve ${since}`}`
  })
  return lines.join("\n")
}
