import type { Properties } from "../../../provider/rpc/value.ts"
import { failureOf, type Made, ProviderUnderTest } from "../../helpers/provider.ts"
import { startProvider } from "../../helpers/providerProcess.ts"
import { type Site, urn } from "./site.ts"

/** How a run is broken off at one of its remote operations. */
export interface Blow {
  readonly says: string
  /** Whether the host gets to do the operation at which it strikes. */
  readonly done: boolean
  readonly how: "kill" | "reset" | "black hole"
}

export const blows = {
  killedBefore: { says: "the provider is killed before", how: "kill", done: false },
  killedAfter: { says: "the provider is killed after", how: "kill", done: true },
  resetBefore: { says: "the connection is reset before", how: "reset", done: false },
  resetAfter: { says: "the connection is reset after", how: "reset", done: true },
  blackHole: { says: "the network is a black hole from", how: "black hole", done: false },
} as const satisfies Readonly<Record<string, Blow>>

/** What the engine knows of the domain: nothing, or a state. */
export type Known = Made | undefined

/** What the engine asks for. */
export type Wish = Properties | "delete"

/**
 * Has a wish carried out by a run that is struck at its nth remote operation. Returns what the engine knows afterwards,
 * and whether it was struck at all.
 */
export async function runStruck(site: Site, known: Known, wish: Wish, blow: Blow, at: number) {
  let struck = false
  const provider = blow.how === "kill" ? await startProvider() : await ProviderUnderTest.start()
  const strike = (number: number): boolean | undefined => {
    if (struck || number !== at) return undefined
    struck = true
    if ("child" in provider) provider.child.kill("SIGKILL")
    else if (blow.how === "reset") site.host.saboteur.reset()
    else site.host.saboteur.freeze()
    return blow.done
  }
  site.host.operations.restart({
    before: ({ number }) => (blow.done ? undefined : strike(number)),
    after: ({ number }) => {
      if (blow.done) strike(number)
    },
  })
  try {
    // How a host is reached is no part of what is wanted: this run has a way of its own, the next one is not touched.
    const connection = { ...site.host.sabotaged }
    const from = known && { ...known, inputs: { ...known.inputs, connection } }
    const run = ask(provider.client, from, wish === "delete" ? wish : { ...wish, connection })
    // Only a blow is a reason to fail.
    const made = await run.catch(error => (struck ? orSaved(run, known) : Promise.reject(error)))
    return { struck, known: struck && blow.how === "kill" ? known : made }
  } finally {
    site.host.operations.restart()
    if ("child" in provider) await provider.stop(struck ? "SIGKILL" : "SIGINT")
    else await provider[Symbol.asyncDispose]()
    // Sooner or later the host learns, too, that nobody is there any more.
    site.host.saboteur.reset()
  }
}

/** A run that may fail; what the engine knows afterwards. */
export function tryRun(site: Site, known: Known, wish: Wish): Promise<Known> {
  return orSaved(ask(site.provider.client, known, wish), known)
}

/** The state that a failure asked to be saved, or what was known before it. */
async function orSaved(run: Promise<Known>, known: Known): Promise<Known> {
  return run.catch(async () => (await failureOf(run)).saved ?? known)
}

/** The next run, undisturbed. */
export function runAgain(site: Site, known: Known, wish: Wish): Promise<Known> {
  return ask(site.provider.client, known, wish)
}

/** As the engine does it: what it knows nothing of is created, what it knows is updated or deleted. */
export async function ask(client: ProviderUnderTest["client"], known: Known, wish: Wish): Promise<Known> {
  if (wish === "delete") {
    if (known) await client.delete(urn, known.id, known)
    return undefined
  }
  const { inputs, failures } = await client.check(urn, wish, known?.inputs)
  if (failures.length > 0) throw new Error(failures.map(({ reason }) => reason).join("\n"))
  if (!known) return { inputs, ...(await client.create(urn, inputs)) }
  return { id: known.id, inputs, outputs: await client.update(urn, known.id, known, inputs) }
}
