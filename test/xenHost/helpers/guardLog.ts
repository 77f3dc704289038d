import type { ExecutionContext } from "ava"
import { eventually } from "./midway.ts"
import type { Machine, Rented } from "./rented.ts"

/** Seconds beyond a guard's time that the way back may take: on an emulated processor a DHCP client takes half of them. */
export const MARGIN = 60

/** What begins a guard's time anew: a boot on trial has all of it, and one into the old setting has none. */
const BEGIN = /^(\S+) (armed: |the machine runs the trial|the machine was restarted)/
const END = /^(\S+) the old (?:setting is|files are) back$/

/**
 * Seconds that a guard has let pass before its old setting was back, those of a restart left out.
 *
 * @param log the guard's own, on the host
 * @param window seconds that it had
 * @returns how many more or less (negative) than it had; `undefined` where nothing was taken back
 */
export function secondsBeyond(log: string, window: number): number | undefined {
  const lines = log.trimEnd().split("\n")
  const end = lines.findLastIndex(line => END.test(line))
  const begin = lines.slice(0, end + 1).findLastIndex(line => BEGIN.test(line))
  if (end < 0 || begin < 0) return undefined
  const [, from, what] = BEGIN.exec(lines[begin]!)!
  const passed = (Date.parse(END.exec(lines[end]!)![1]!) - Date.parse(from!)) / 1000
  return passed - (what === "the machine was restarted" ? 0 : window)
}

/** The host's guard NAME has put the old setting back, within its window and {@link MARGIN}: its own log says when. */
export async function wasInTime(
  t: ExecutionContext,
  www1: Rented<Machine>,
  name: "network" | "dom0",
  window: number,
): Promise<void> {
  const read = () => www1.run(`cat /var/lib/pulumi-xen/guard/${name}/log`)
  const isTakenBack = async () => secondsBeyond(await read(), window) !== undefined
  await eventually("the guard to say that the old setting is back", 120, isTakenBack)
  const log = await read()
  t.true(
    secondsBeyond(log, window)! <= MARGIN,
    `not within ${window} s and ${MARGIN} s for the way back:\n${log}`,
  )
}
