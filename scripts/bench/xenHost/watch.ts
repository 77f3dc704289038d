import type { FakeEngine } from "../../../test/helpers/engine.ts"

/** What the status lines of `pulumi up` told while something was made. All in seconds. */
export interface Times {
  readonly total: number
  /** Of those who were waited for, by what they are. */
  readonly theirs: ReadonlyMap<string, number>
  /** Of the rest, by the line's first words. */
  readonly ours: ReadonlyMap<string, number>
}

/** Notes when the status line changes; a line lasts until the next. What no line was told of is ours. */
export class StatusWatch {
  readonly #engine: FakeEngine
  readonly #others: Readonly<Record<string, RegExp>>
  readonly #timer: NodeJS.Timeout
  readonly #begun = performance.now()
  readonly #spans: { message: string; from: number }[] = []

  /** `others`: whose time it is that a line tells of, when it is not ours. */
  constructor(engine: FakeEngine, others: Readonly<Record<string, RegExp>>) {
    this.#engine = engine
    this.#others = others
    this.#timer = setInterval(() => this.#look(), 20)
  }

  #look(): void {
    const message = this.#engine.lines.at(-1)?.message
    if (message !== undefined && message !== this.#spans.at(-1)?.message)
      this.#spans.push({ message, from: performance.now() })
  }

  end(): Times {
    clearInterval(this.#timer)
    this.#look()
    const ended = performance.now()
    const [theirs, ours] = [new Map<string, number>(), new Map<string, number>()]
    const add = (to: Map<string, number>, name: string, seconds: number) =>
      to.set(name, (to.get(name) ?? 0) + seconds)
    add(ours, "before the first line", ((this.#spans[0]?.from ?? ended) - this.#begun) / 1000)
    for (const [at, { message, from }] of this.#spans.entries()) {
      const seconds = ((this.#spans[at + 1]?.from ?? ended) - from) / 1000
      const other = Object.entries(this.#others).find(([, line]) => line.test(message))?.[0]
      if (other !== undefined) add(theirs, other, seconds)
      else add(ours, message.replace(/[,:(].*$/s, "").trim(), seconds)
    }
    return { total: (ended - this.#begun) / 1000, theirs, ours }
  }
}
