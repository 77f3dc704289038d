import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import type { Command } from "../../ssh/command.ts"
import type { Connection } from "../../ssh/index.ts"
import { steeringTable } from "./names.ts"
import { type Handover, handovers, type Port } from "./ports.ts"
import { type Steering, steeringRules } from "./rules.ts"

const read = (name: string) => readFileSync(new URL(name, import.meta.url), "utf8")
const SWITCH_SH = read("switch.sh")
const LAUNCH_SH = read("launch.sh")

export interface SwapOptions {
  readonly signal?: AbortSignal
  /** What is being done or waited for: one line, for people. */
  readonly onStatus?: (text: string) => void
}

export interface Switch {
  /** The domain's stable name: the switch's record and lock on the host go by it. */
  readonly domain: string
  /** What serves now; empty when nobody does. */
  readonly from: readonly Port[]
  /** What shall serve. It is on the staging bridge, or aside. */
  readonly to: readonly Port[]
  /** Seconds that connections which are open at the switch go on with the old domain. */
  readonly drain: number
  /** POSIX shell that makes the switch known on the host. Run by the host, with `-eu`; must stand being run twice. */
  readonly commit?: string
}

/**
 * How the address came over: `drained`, no connection lost; `swapped`, without nftables, where open connections end; or
 * `joined`, because nobody served before.
 */
export type SwitchWay = "drained" | "swapped" | "joined"

export interface SwitchResult {
  readonly way: SwitchWay
  /** What it cost, where it cost something; for the log. */
  readonly warning?: string
}

/** The address did not come over, or (`switched`) it did and the host could not write that down. */
export class SwitchError extends Error {
  override readonly name = "SwitchError"
  readonly host: string
  readonly domain: string
  readonly switched: boolean
  /** What the host's commands said. */
  readonly log: string

  constructor(host: string, domain: string, switched: boolean, log: string) {
    const what = switched
      ? `the address of ${domain} is with the new domain, but what makes that known failed.`
      : `the address of ${domain} did not come over to the new domain; the old one has it.`
    super(`${host}: ${what} Run again; what the host said: ${log.trim() || "nothing"}`)
    this.host = host
    this.domain = domain
    this.switched = switched
    this.log = log
  }
}

/**
 * Gives the address to `to`: when this resolves, new connections reach it, and the host ends the drain by itself.
 * The host does the whole of it in a process of its own: cut off at any moment, the switch is complete or it was not
 * made. During a drain the same with `from` and `to` exchanged turns the drain round.
 */
export async function switchPorts(
  connection: Connection,
  { domain, from, to, drain, commit = "" }: Switch,
  { signal, onStatus = () => {} }: SwapOptions = {},
): Promise<SwitchResult> {
  const table = steeringTable(domain)
  const pairs = handovers(from, to)
  const rules = (how: Steering) => steeringRules(table, pairs, how)
  const token = randomBytes(8).toString("hex")
  onStatus(`${domain}: giving the address to the new domain`)
  const { exit, stdout, stderr } = await connection.run(
    [
      ...["sh", "-c", LAUNCH_SH, SWITCH_SH, domain, token, table, String(Math.round(drain * 100))],
      ...[plan(pairs), rules("drain"), rules("back"), commit],
    ],
    { expect: [0, 1], timeout: 180_000, ...(signal ? { signal } : {}) },
  )
  const [phase, way, uncommitted] = stdout.trim().split(" ")
  const switched = phase === "draining" || phase === "settled"
  if (exit !== 0 || !switched || uncommitted) throw new SwitchError(connection.name, domain, switched, stderr)
  if (way !== "swapped") return { way: way as SwitchWay }
  const warning =
    `${connection.name}: connections to ${domain} that were open at the switch have ended: the host has no nftables ` +
    "to keep them with the old domain. Install the package nftables."
  return { way, warning }
}

/**
 * The command that notes from now on who opens connections to `ports`, so that a handshake which is under way at the switch
 * stays with the old domain; ended by the switch or by `unstage`. It exits with 1 without nftables, or where a port is gone
 * meanwhile: the switch itself will tell.
 */
export function observeFlows(domain: string, ports: readonly Port[]): Command {
  const table = steeringTable(domain)
  // Nobody takes over yet; the rules only look.
  const pairs = ports.map(({ mac, bridge, vif }) => ({ mac: mac.toLowerCase(), bridge, from: vif, to: vif }))
  return [
    ...["sh", "-c", SWITCH_SH, "switch", "observe", domain, table, plan(pairs)],
    steeringRules(table, pairs, "observe"),
  ]
}

/**
 * Waits until a switch under way and its drain are over, ours or a killed run's. One whose own process has died is
 * completed when the address had come over, and undone when not. At once when there is none.
 */
export async function settled(
  connection: Connection,
  domain: string,
  { signal, onStatus = () => {}, wait = 600 }: SwapOptions & { readonly wait?: number } = {},
): Promise<void> {
  onStatus(`${domain}: waiting for the old domain's connections to end`)
  await connection.run(["sh", "-c", SWITCH_SH, "switch", "settle", domain, String(wait)], {
    timeout: (wait + 60) * 1000,
    ...(signal ? { signal } : {}),
  })
}

/** Takes an observation away that no switch came to use. */
export async function forgetFlows(connection: Connection, domain: string, { signal }: SwapOptions = {}) {
  await connection.run(["sh", "-c", SWITCH_SH, "switch", "forget", domain, steeringTable(domain)], {
    timeout: 120_000,
    ...(signal ? { signal } : {}),
  })
}

const plan = (pairs: readonly Handover[]): string =>
  pairs.map(({ mac, bridge, from = "-", to }) => `${mac} ${bridge} ${from} ${to}\n`).join("")
