import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { Readable, Writable } from "node:stream"

/** A packet for the stack: so many microseconds after the one before; without a frame only time passes. */
export type Step = { after?: number; frame?: Buffer }

/** The unikernel's network stack as a process on a pipe, with a clock that the test moves: posix/replay.c. */
export class Replay {
  readonly #process: ChildProcess
  readonly #frames: AsyncGenerator<Buffer[]>
  readonly #closed: Promise<unknown>
  #errors = ""

  private constructor(child: ChildProcess) {
    this.#process = child
    this.#frames = records(child.stdout!)
    this.#closed = once(child, "close")
    child.stdin!.on("error", () => {}) // it has died: play() says so when the answer does not come
    createInterface(child.stderr!).on("line", line => {
      this.#errors += `${line}\n`
    })
  }

  /** Starts it; `dist` holds what `make posix` left. The default address is 10.0.0.2/24. */
  static start(dist: string, args: string[] = ["--ipv4=10.0.0.2/24", "--ipv4-gateway=10.0.0.1"]): Replay {
    return new Replay(spawn(join(dist, "replay"), args, { stdio: "pipe" }))
  }

  /** Feeds the steps; for each one, the frames that were sent in answer (and as time passed before it). */
  async play(steps: Step[]): Promise<Buffer[][]> {
    const input = steps.map(({ after = 0, frame = Buffer.alloc(0) }) => {
      const head = Buffer.alloc(8)
      head.writeUInt32LE(after, 0)
      head.writeUInt32LE(frame.length, 4)
      return Buffer.concat([head, frame])
    })
    ;(this.#process.stdin as Writable).write(Buffer.concat(input))
    const answers: Buffer[][] = []
    for (const _ of steps) {
      const { value, done } = await this.#frames.next()
      if (done) throw new Error(`The stack has died:\n${this.#errors}`)
      answers.push(value)
    }
    return answers
  }

  /** One step's answer. */
  async send(frame: Buffer, after = 0): Promise<Buffer[]> {
    return (await this.play([{ frame, after }]))[0]!
  }

  /** Lets time pass. */
  async wait(microseconds: number): Promise<Buffer[]> {
    return (await this.play([{ after: microseconds }]))[0]!
  }

  /** Ends the process; its exit code and what it said. */
  async end(): Promise<{ code: number | null; errors: string }> {
    this.#process.stdin?.end()
    this.#process.stdout?.resume()
    await this.#closed
    return { code: this.#process.exitCode, errors: this.#errors }
  }
}

/** Frames up to each zero that ends a record. */
async function* records(stream: Readable): AsyncGenerator<Buffer[]> {
  let rest: Buffer = Buffer.alloc(0)
  let frames: Buffer[] = []
  for await (const chunk of stream) {
    rest = Buffer.concat([rest, chunk])
    let at = 0
    while (rest.length - at >= 4) {
      const size = rest.readUInt32LE(at)
      if (rest.length - at - 4 < size) break
      if (size > 0) frames.push(rest.subarray(at + 4, at + 4 + size))
      else {
        yield frames
        frames = []
      }
      at += 4 + size
    }
    rest = rest.subarray(at)
  }
}
