import type { LabHost } from "../../../hosts/lab.ts"
import { type Boot, bootsDuring } from "../../helpers/boots.ts"
import type { TestMachine } from "../../helpers/lab.ts"
import { PulumiStack } from "../../helpers/pulumiStack.ts"

/** Milliseconds, for `t.timeout`: what so many restarts may take where a machine is emulated, and others beside it. */
export const restarts = (count: number): number => count * 15 * 60_000

/**
 * Seconds, not for a person's patience but for software emulation: dom0 takes minutes for GRUB's menu alone, and that is
 * part of the time in which a change must be confirmed.
 */
export const PATIENT = { network: 240, dom0: 1500 }

/** Arguments of `XenHost`, right ones and wrong ones. */
export interface Wish {
  readonly dom0?: object
  readonly [argument: string]: unknown
}

/** What is asked of a machine, be it emulated (`TestMachine`) or not (`NativeMachine`). */
export type Machine = Pick<
  TestMachine,
  "host" | "run" | "powerCut" | "boot" | "boots" | typeof Symbol.asyncDispose
>

/** A machine of the lab, and the stack that makes a Xen host of it; they end with `await using` or by hand. */
export class Rented<M extends Machine = TestMachine> implements AsyncDisposable {
  readonly machine: M
  readonly stack: PulumiStack

  private constructor(machine: M, stack: PulumiStack) {
    this.machine = machine
    this.stack = stack
  }

  static async create<M extends Machine>(machine: M): Promise<Rented<M>> {
    return new Rented(machine, await PulumiStack.create("xenHost"))
  }

  get host(): LabHost {
    return this.machine.host
  }

  /** Sets what the host is to be, beside what the lab says of it: an entry of the inventory. */
  want({ dom0, ...more }: Wish = {}): Promise<void> {
    const patient = {
      memory: 1024,
      connectTimeout: 60_000,
      window: PATIENT.network,
      dom0: { window: PATIENT.dom0, ...dom0 },
    }
    return this.stack.configure({ hosts: { www1: { ...this.host, ...patient, ...more } } })
  }

  /** `pulumi up`; what it printed. */
  async up(): Promise<string> {
    return (await this.stack.succeed(["up", "--yes", "--skip-preview"])).stdout
  }

  /** A `pulumi up`, or another command, that must fail; all that it said. */
  async fails(command: readonly string[] = ["up", "--yes", "--skip-preview"]): Promise<string> {
    const { exit, stdout, stderr } = await this.stack.run(command)
    if (exit === 0) throw new Error(`pulumi ${command.join(" ")} did not fail:\n${stdout}`)
    return stdout + stderr
  }

  /** What the machine boots while something is done, such as `up`. */
  bootsDuring<T>(act: () => Promise<T>): Promise<{ boots: Boot[]; result: T }> {
    return bootsDuring(this.machine, act)
  }

  destroy(): Promise<unknown> {
    return this.stack.succeed(["destroy", "--yes", "--skip-preview"])
  }

  run(script: string): Promise<string> {
    return this.machine.run(script)
  }

  async bootId(): Promise<string> {
    return (await this.run("cat /proc/sys/kernel/random/boot_id")).trim()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.machine[Symbol.asyncDispose]()
    await this.stack.remove()
  }
}
