import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import { createInterface } from "node:readline"

/** How a guest ends by itself: SHUTDOWN_poweroff, SHUTDOWN_reboot, SHUTDOWN_crash of xen/include/public/sched.h. */
export type Ending = "poweroff" | "reboot" | "crash"

export interface GuestStart {
  /** guest.c, compiled. */
  readonly program: string
  /** The host's network namespace, as a file. */
  readonly namespace: string
  readonly name: string
  /** SHA-256 of the kernel's file: what it serves as its build. */
  readonly kernel: string
  readonly args: string
  /** Its console is appended here. */
  readonly log: string
  readonly onEnd: (ending: Ending) => void
}

/** A guest as Xen and its back ends see it: devices are given to it, it runs, halts, is asked to stop, and is gone. */
export class Guest {
  readonly #child: ChildProcess
  /** Those who wait for the answers to their commands, in order. */
  readonly #waiting: ((trouble: string | undefined) => void)[] = []
  readonly #gone: Promise<void>

  private constructor(start: GuestStart) {
    const log = openSync(start.log, "a", 0o600)
    try {
      const words = [start.namespace, start.name, start.kernel, start.args]
      this.#child = spawn(start.program, words, { stdio: ["pipe", "pipe", log] })
    } finally {
      closeSync(log)
    }
    const child = this.#child
    this.#gone = new Promise(gone => child.once("exit", () => gone()))
    child.stdin?.on("error", () => {})
    if (child.stdout)
      createInterface(child.stdout).on("line", line => {
        const [what, ...rest] = line.split(" ")
        if (what === "event") start.onEnd(rest[0] as Ending)
        else this.#waiting.shift()?.(what === "ok" ? undefined : rest.join(" "))
      })
    child.once("exit", () => {
      for (const answer of this.#waiting.splice(0)) answer("the guest is gone")
    })
  }

  static async start(start: GuestStart): Promise<Guest> {
    const guest = new Guest(start)
    const trouble = await guest.#answer()
    if (trouble !== undefined) throw new Error(`guest ${start.name}: ${trouble}`)
    return guest
  }

  /** Gives it a port that is joined to a bridge; what is wrong, if it cannot be. */
  attach(device: string, bridge: string, mac: string): Promise<string | undefined> {
    return this.#command(`vif ${device} ${bridge} ${mac}`)
  }

  detach(device: string): Promise<string | undefined> {
    return this.#command(`unvif ${device}`)
  }

  disk(path: string): Promise<string | undefined> {
    return this.#command(`disk ${path}`)
  }

  async run(): Promise<void> {
    await this.#command("run")
  }

  async shutdown(how: "poweroff" | "reboot"): Promise<void> {
    await this.#command(`shutdown ${how}`)
  }

  pause(): void {
    this.#child.kill("SIGSTOP")
  }

  unpause(): void {
    this.#child.kill("SIGCONT")
  }

  /** Its ports go with it. */
  async destroy(): Promise<void> {
    this.#child.kill("SIGKILL")
    await this.#gone
  }

  async #command(line: string): Promise<string | undefined> {
    this.#child.stdin?.write(`${line}\n`)
    return this.#answer()
  }

  #answer(): Promise<string | undefined> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null)
      return Promise.resolve("the guest is gone")
    return new Promise(answer => this.#waiting.push(answer))
  }
}
