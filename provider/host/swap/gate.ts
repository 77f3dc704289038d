import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import type { Connection } from "../../ssh/index.ts"
import { parseSections } from "../facts/sections.ts"
import {
  type DomainState,
  faultOf,
  type Health,
  type Probe,
  probesOf,
  type Sight,
  stateOf,
} from "./health.ts"
import type { SwapOptions } from "./switch.ts"

const GATE_SH = readFileSync(new URL("gate.sh", import.meta.url), "utf8")

/** Where a domain is looked at. */
export interface Place {
  /** For messages. */
  readonly domain: string
  readonly uuid: string
  /** With or without a prefix length. */
  readonly addresses: readonly string[]
  /** The network namespace to try from. Default: dom0 itself. */
  readonly namespace?: string
  /** What xenconsoled writes: /var/log/xen/console/guest-NAME.log. */
  readonly consoleLog: string
  /** Its size in bytes when this domain was created: several lives are logged into one file. Default 0. */
  readonly consoleFrom?: number
  /** xl's log, where it says how a domain ended: /var/log/xen/xl-NAME.log. */
  readonly xlLog?: string
}

/** A domain is not as healthy as was asked. */
export class HealthError extends Error {
  override readonly name = "HealthError"
  readonly host: string
  readonly domain: string
  /** What was wrong at the last look, in a clause. */
  readonly fault: string
  readonly state: DomainState["state"]
  readonly shutdownReason: string | undefined
  /** The last 40 lines. */
  readonly console: readonly string[]

  constructor(host: string, domain: string, fault: string, when: string, sight: Sight) {
    const { state, shutdownReason } = stateOf(sight)
    const lines = sight.console.split(/\r?\n/)
    const last = (lines.at(-1) === "" ? lines.slice(0, -1) : lines).slice(-40)
    const said =
      last.length > 0
        ? `Its console ended with:\n${last.map(line => `  ${line}`).join("\n")}`
        : "Its console is empty."
    super(`${host}: ${domain} is not healthy ${when}: ${fault}. ${said}`)
    this.host = host
    this.domain = domain
    this.fault = fault
    this.state = state
    this.shutdownReason = shutdownReason
    this.console = last
  }
}

/** Resolves once every check has passed and the domain has settled. @throws HealthError */
export async function checkHealth(
  connection: Connection,
  health: Health,
  at: Place,
  { signal, onStatus = () => {} }: SwapOptions = {},
): Promise<void> {
  const { settle = 3, interval = 0.5, timeout = 60 } = health
  const probes = probesOf(health, at.addresses)
  const began = Date.now()
  for (;;) {
    const sight = await look(connection, health, at, probes, signal)
    const fault = faultOf(health, probes, sight)
    const seconds = (Date.now() - began) / 1000
    if (fault === undefined && seconds >= settle) return
    // What has stopped does not come back healthy; and what xl restarts has failed once.
    if (stateOf(sight).state !== "running" || (fault && seconds >= timeout))
      throw new HealthError(connection.name, at.domain, fault ?? "", `after ${Math.round(seconds)} s`, sight)
    onStatus(`${at.domain}: ${fault ?? "settling"}, ${Math.round(seconds)} s`)
    await sleep(interval * 1000, undefined, signal ? { signal } : {})
  }
}

/** Looks that must fail in a row before a healthy domain counts as failed: one lost answer is no failure. */
const LASTING = 3

/** Goes on looking for so many seconds. @throws HealthError at the first failure that lasts. */
export async function watchHealth(
  connection: Connection,
  health: Health,
  at: Place,
  seconds: number,
  { signal, onStatus = () => {} }: SwapOptions = {},
): Promise<void> {
  const { interval = 0.5 } = health
  const probes = probesOf(health, at.addresses)
  const began = Date.now()
  for (let failures = 0; ; ) {
    const sight = await look(connection, health, at, probes, signal)
    const fault = faultOf(health, probes, sight)
    failures = fault === undefined ? 0 : failures + 1
    const passed = (Date.now() - began) / 1000
    if (fault !== undefined && (failures === LASTING || stateOf(sight).state !== "running"))
      throw new HealthError(
        connection.name,
        at.domain,
        fault,
        `in production, after ${Math.round(passed)} s`,
        sight,
      )
    if (passed >= seconds && failures === 0) return
    onStatus(`${at.domain}: ${fault ?? "on probation"}, ${Math.round(passed)} of ${seconds} s`)
    await sleep(interval * 1000, undefined, signal ? { signal } : {})
  }
}

/** All that one look needs, in one round trip. */
async function look(
  connection: Connection,
  { timeout = 60 }: Health,
  { namespace = "", uuid, consoleLog, consoleFrom = 0, xlLog = "/dev/null" }: Place,
  probes: readonly Probe[],
  signal?: AbortSignal,
): Promise<Sight> {
  const seconds = String(Math.max(1, Math.min(5, Math.round(timeout))))
  const tries = probes.flatMap(({ kind, address, port, request }) => [kind, address, String(port), request])
  const mark = `== ${randomBytes(12).toString("hex")}`
  const words = [mark, namespace, uuid, consoleLog, String(consoleFrom), xlLog, seconds, ...tries]
  const { stdout } = await connection.run(["bash", "-c", GATE_SH, "gate", ...words], {
    timeout: 60_000 + probes.length * 10_000,
    ...(signal ? { signal } : {}),
  })
  return parseSight(connection.name, mark, stdout)
}

/** What gate.sh prints. */
export function parseSight(host: string, mark: string, output: string): Sight {
  const sections = parseSections(host, mark, output)
  const listed = sections.get("listed")?.trim()
  const answers = [...sections].flatMap(([name, text]) => {
    const at = /^answer (\d+)$/.exec(name)?.[1]
    return at === undefined ? [] : [{ ok: sections.has(`ok ${at}`), text }]
  })
  return {
    ...(listed ? { listed } : {}),
    console: sections.get("console") ?? "",
    xlLog: sections.get("log") ?? "",
    answers,
  }
}
