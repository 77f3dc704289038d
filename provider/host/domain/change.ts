import type { Connection } from "../../ssh/index.ts"
import { checkHealth, type Staging, SwitchError, settled, unstage, watchHealth } from "../swap/index.ts"
import { Acts, type ChangeOptions } from "./acts.ts"
import { UpdateTakenBackError } from "./errors.ts"
import type { StoredGeneration } from "./facts.ts"
import type { DomainPlan, DomainStep } from "./plan.ts"
import type { Serving } from "./standing.ts"
import type { DomainWanted } from "./wanted.ts"

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
  readonly #acts: Acts
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
    this.#acts = new Acts(host, wanted, options)
  }

  async perform(step: DomainStep): Promise<void> {
    const { name, probation, health } = this.#wanted
    const { onStatus } = this.#options
    switch (step.do) {
      case "record":
        await this.#acts.record(step.generation)
        if (step.current) await this.#commit(step.generation)
        return
      case "discard":
        // A drain under way still needs the old one.
        if (this.#progress === "switched") await settled(this.#host, name, this.#options)
        onStatus(`${name}: taking ${step.domain.name} away`)
        return this.#acts.verb(["destroy", step.domain.uuid])
      case "stage":
        this.#progress = "begun"
        this.#staging = await this.#acts.stage(this.#plan.target, this.#plan.old)
        return
      case "start":
        return this.#start(step.generation, step.staged)
      case "restage":
        return this.#acts.restage(step.generation, step.domain)
      case "gate":
        return checkHealth(this.#host, health, this.#place(step.generation, step.staged), this.#options)
      case "switch":
        return this.#switch(step.from, step.to)
      case "commit":
        return this.#commit(step.generation)
      case "change":
        for (const [subcommand, ...args] of step.xl) {
          onStatus(`${name}: xl ${subcommand}`)
          await this.#acts.verb(["change", step.domain.uuid, subcommand, ...args])
        }
        return
      case "place":
        return this.#acts.verb(["place", step.bridge, step.vif])
      case "watch":
        this.#progress = "switched"
        return watchHealth(this.#host, health, this.#place(step.generation, false), probation, this.#options)
      case "stop":
        this.#stopped = this.#plan.old?.generation !== this.#plan.target
        return this.#acts.stop(step.domain)
      case "unstage":
        await settled(this.#host, name, this.#options)
        return unstage(this.#host, name, this.#options)
      case "prune":
        return this.#acts.prune(step.generations)
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
    if (progress !== "nothing") await this.#acts.verb(["destroy", target.uuid ?? ""])
    if (this.#plan.steps.some(step => step.do === "stage")) await unstage(this.#host, name, this.#options)
    await this.#acts.verb(["forget_next"])
    if (!this.#stopped || !old) return
    await this.#start(old.generation, false)
    await this.#commit(old.generation)
  }

  async #start(generation: StoredGeneration, isStaged: boolean): Promise<void> {
    if (this.#progress !== "switched") this.#progress = "begun"
    this.#consoleFrom = await this.#acts.start(generation, isStaged ? this.#staging : undefined)
  }

  async #switch(from: Serving | undefined, to: StoredGeneration): Promise<void> {
    try {
      await this.#acts.switch(from, to)
      this.#progress = "switched"
    } catch (error) {
      // The address has come over, and only what makes that known has failed: it must be given back.
      if (error instanceof SwitchError && error.switched) this.#progress = "switched"
      throw error
    }
  }

  #commit({ generation, uuid = "" }: StoredGeneration): Promise<void> {
    return this.#acts.verb(["commit", generation, uuid])
  }

  #place(generation: StoredGeneration, isStaged: boolean) {
    return this.#acts.place(generation, this.#consoleFrom, isStaged ? this.#staging : undefined)
  }
}
