import { type Midway, upUntil } from "./midway.ts"
import type { Machine, Rented } from "./rented.ts"

/**
 * Runs `pulumi up`, or `destroy`, again and again, each time until it says the next of `steps`, and strikes there. What a
 * killed run had begun on the host may have gone on without it: then the next step is what is waited for.
 *
 * @param strike is told which of the steps it is
 * @returns the steps that were hit
 */
export async function strikeAtEach(
  { stack }: Rented<Machine>,
  steps: readonly string[],
  strike: (running: Midway, index: number) => Promise<void>,
  command: "up" | "destroy" = "up",
): Promise<string[]> {
  const struck: string[] = []
  for (let next = 0; next < steps.length; ) {
    const running = await upUntil(stack, new RegExp(steps.slice(next).join("|")), command)
    const index = steps.findIndex((step, at) => at >= next && new RegExp(step).test(running.said))
    await strike(running, index)
    struck.push(steps[index]!)
    next = index + 1
  }
  return struck
}
