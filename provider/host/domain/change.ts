import { type DomainConfig, literalOf, quote } from "xlcfg"
import { RemoteCommandError } from "../../ssh/errors.ts"
import type { Connection } from "../../ssh/index.ts"
import {
  checkHealth,
  type Place,
  type Staging,
  SwitchError,
  settled,
  stage,
  stagingBridge,
  switchPorts,
  unstage,
  watchHealth,
} from "../swap/index.ts"
import { defaultBridge, portsOf, vifsOf } from "./devices.ts"
import { DomainStartError, UpdateTakenBackError } from "./errors.ts"
import type { OwnDomain, StoredGeneration } from "./facts.ts"
import { consoleLogPath, stagedName } from "./names.ts"
import type { DomainPlan, DomainStep } from "./plan.ts"
import type { Serving } from "./standing.ts"
import { releaseContents, runVerb, stopDomain, verbText } from "./verbs.ts"
import type { DomainWanted } from "./wanted.ts"

export interface ChangeOptions {
  readonly signal: AbortSignal
  /** What is being done or waited for: one line, for people. */
  readonly onStatus: (text: string) => void
  /** What it cost, where it cost something. */
  readonly onWarning: (text: string) => void
}

/**
 * Carries out a plan. When the new generation fails, what served before gets the address back, in the way in which it
 * lost it. A run that is cut off leaves what the next one's plan begins with.
 */
export async function carryOut(
  host: Connection,
  plan: DomainPlan,
  wanted: DomainWanted,
  options: ChangeOptions,
): Promise<void> {
  const change = new Change(host, plan, wanted, options)
  for (const step of plan.steps) {
    options.signal.throwIfAborted()
    try {
      await change.perform(step)
    } catch (error) {
      if (options.signal.aborted || !(error instanceof Error)) throw error
      throw await change.takeBack(error)
    }
  }
}

/** How far the target has come: what has to be taken back. */
type Progress = "nothing" | "begun" | "switched"

class Change {
  readonly #host: Connection
  readonly #plan: DomainPlan
  readonly #wanted: DomainWanted
  readonly #options: ChangeOptions
  #progress: Progress = "nothing"
  /** Whether another generation gave way to the target, and must be started again without it. */
  #stopped = false
  #staging: Staging | undefined
  #consoleFrom = 0

  constructor(host: Connection, plan: DomainPlan, wanted: DomainWanted, options: ChangeOptions) {
    this.#host = host
    this.#plan = plan
    this.#wanted = wanted
    this.#options = options
  }

  async perform(step: DomainStep): Promise<void> {
    const { name, probation, health } = this.#wanted
    const { onStatus } = this.#options
    switch (step.do) {
      case "record":
        return this.#record(step.generation, step.current === true)
      case "discard":
        // A drain under way still needs the old one.
        if (this.#progress === "switched") await settled(this.#host, name, this.#options)
        onStatus(`${name}: taking ${step.domain.name} away`)
        return this.#verb(["destroy", step.domain.uuid])
      case "stage":
        this.#progress = "begun"
        this.#staging = await this.#stage()
        return
      case "start":
        onStatus(`${name}: starting generation ${step.generation.generation}`)
        return this.#start(step.generation, step.staged)
      case "restage":
        return this.#restage(step.generation, step.domain)
      case "gate":
        return checkHealth(this.#host, health, this.#place(step.generation, step.staged), this.#options)
      case "switch":
        return this.#switch(step.from, step.to)
      case "commit":
        return this.#verb(["commit", step.generation.generation, step.generation.uuid ?? ""])
      case "change":
        for (const [subcommand, ...args] of step.xl) {
          onStatus(`${name}: xl ${subcommand}`)
          await this.#verb(["change", step.domain.uuid, subcommand, ...args])
        }
        return
      case "place":
        return this.#verb(["place", step.bridge, step.vif])
      case "watch":
        this.#progress = "switched"
        return watchHealth(this.#host, health, this.#place(step.generation, false), probation, this.#options)
      case "stop":
        onStatus(`${name}: stopping ${step.domain.name}`)
        this.#stopped = this.#plan.old?.generation !== this.#plan.target
        await stopDomain(this.#host, this.#wanted, step.domain.uuid, this.#options.signal)
        return
      case "unstage":
        await settled(this.#host, name, this.#options)
        return unstage(this.#host, name, this.#options)
      case "prune":
        return this.#prune(step.generations)
    }
  }

  /** @returns the error to throw: what failed, and how things stand now */
  async takeBack(error: Error): Promise<Error> {
    const { target, old } = this.#plan
    const progress = this.#progress
    if ((progress === "nothing" && !this.#stopped) || this.#plan.way === "live") return error
    try {
      await this.#undo(progress)
    } catch (second) {
      if (!(second instanceof Error)) throw second
      return new AggregateError(
        [error, second],
        `${error.message}\nIt could not be taken back: ${second.message}\nRun again: the next run goes on from here.`,
      )
    }
    const serves = old?.generation === target ? undefined : old?.generation.generation
    return new UpdateTakenBackError(error, target.generation, serves)
  }

  async #undo(progress: Progress): Promise<void> {
    const { target, old } = this.#plan
    const { name } = this.#wanted
    if (progress === "switched" && old)
      await this.#switch(
        { domain: { ...old.domain, uuid: target.uuid ?? "" }, generation: target },
        old.generation,
      )
    if (progress === "switched") await settled(this.#host, name, this.#options)
    if (progress !== "nothing") await this.#verb(["destroy", target.uuid ?? ""])
    if (this.#plan.steps.some(step => step.do === "stage")) await unstage(this.#host, name, this.#options)
    await this.#verb(["forget_next"])
    if (!this.#stopped || !old) return
    await this.#start(old.generation, false)
    await this.#verb(["commit", old.generation.generation, old.generation.uuid ?? ""])
  }

  async #record(
    { generation, uuid = "", text, sha256 }: StoredGeneration,
    isCurrent: boolean,
  ): Promise<void> {
    await this.#run(["record", generation, sha256], text)
    if (isCurrent) await this.#verb(["commit", generation, uuid])
  }

  async #start(
    { generation, uuid = "", text, sha256, config }: StoredGeneration,
    isStaged: boolean,
  ): Promise<void> {
    const { name } = this.#wanted
    if (this.#progress !== "switched") this.#progress = "begun"
    const override = isStaged && this.#staging ? [stagedVifs(config, this.#staging)] : []
    try {
      const { stdout } = await this.#run(["start", generation, uuid, sha256, ...override], text)
      this.#consoleFrom = Number(stdout.trim())
    } catch (error) {
      if (!(error instanceof RemoteCommandError)) throw error
      const from = /^\d+/.exec(error.stdout)?.[0] ?? "0"
      const { stdout } = await this.#run(["console_tail", generation, from, "40"])
      const console = stdout.split("\n").filter((line, at, all) => line !== "" || at < all.length - 1)
      throw new DomainStartError(this.#host.name, stagedName(name, generation), error.stderr, console)
    }
  }

  async #restage({ config }: StoredGeneration, domain: OwnDomain): Promise<void> {
    const ports = portsOf(config, domain).map(({ vif }) => vif)
    await this.#verb(["place", stagingBridge(this.#wanted.name), ...ports])
    if (domain.activity === "paused") await this.#verb(["change", domain.uuid, "unpause"])
  }

  #stage(): Promise<Staging> {
    const { name: domain, addresses, gateways } = this.#wanted
    const [first] = vifsOf(this.#plan.target.config)
    const bridge = first?.bridge ?? defaultBridge
    const serving = this.#plan.old ? oldPorts(this.#plan.old) : []
    return stage(this.#host, { domain, bridge, addressing: { addresses, gateways }, serving }, this.#options)
  }

  async #switch(from: Serving | undefined, to: StoredGeneration): Promise<void> {
    const { name: domain, drain } = this.#wanted
    const former =
      from === undefined ? [] : [from.domain.uuid, stagedName(domain, from.generation.generation)]
    const switching = switchPorts(
      this.#host,
      {
        domain,
        from: from === undefined ? [] : oldPorts(from),
        to: portsOf(to.config),
        drain,
        commit: verbText(domain, ["commit", to.generation, to.uuid ?? "", ...former]),
      },
      this.#options,
    )
    const { warning } = await switching.catch((error: unknown) => {
      // The address has come over, and only what makes that known has failed: it must be given back.
      if (error instanceof SwitchError && error.switched) this.#progress = "switched"
      throw error
    })
    this.#progress = "switched"
    if (warning !== undefined) this.#options.onWarning(warning)
  }

  #place({ generation, uuid = "" }: StoredGeneration, isStaged: boolean): Place {
    const { name, addresses } = this.#wanted
    return {
      domain: name,
      uuid,
      addresses,
      consoleLog: consoleLogPath(name, generation),
      consoleFrom: this.#consoleFrom,
      xlLog: `/var/log/xen/xl-${stagedName(name, generation)}.log`,
      ...(isStaged && this.#staging && { namespace: this.#staging.namespace }),
    }
  }

  async #prune(generations: readonly StoredGeneration[]): Promise<void> {
    const { urn } = this.#wanted
    await this.#verb(["prune", ...generations.map(({ generation }) => generation)])
    await releaseContents(this.#host, generations, urn, this.#options.signal)
  }

  async #verb(words: readonly string[]): Promise<void> {
    await this.#run(words)
  }

  #run(words: readonly string[], text = "") {
    return runVerb(this.#host, this.#wanted.name, words, { signal: this.#options.signal, text })
  }
}

/** The interfaces as they are started apart: a setting that stands after the configuration's on xl's command line. */
function stagedVifs(config: DomainConfig | undefined, { bridge, script }: Staging): string {
  const vifs = vifsOf(config).map(vif => ({ script, ...vif, bridge }))
  return `vif=[${(literalOf("vif", vifs) as readonly string[]).map(vif => quote(vif)).join(",")}]`
}

function oldPorts({ domain, generation }: Serving) {
  return portsOf(generation.config, domain)
}
