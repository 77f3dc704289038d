import { bareMachine } from "../../test/helpers/lab.ts"
import { ProviderUnderTest } from "../../test/helpers/provider.ts"
import type { Row } from "./row.ts"

/** What the time goes into, by the status lines of `pulumi up`. The rest is ours. */
const THEIRS: readonly [what: string, line: RegExp][] = [
  ["packages", /^Install |^waiting for another package manager/],
  ["the restart", /^waiting for the machine to restart/],
]

/** A bare machine of the lab becomes a Xen host: what of the time is ours, beside packages and boots. */
export async function bench(): Promise<Row[]> {
  await using machine = await bareMachine("debian")
  await using provider = await ProviderUnderTest.start()
  const { host, port, user, privateKeyPath, hostKey, uplink, xenOptions } = machine.host
  const connection = { host, port, user, privateKeyPath, hostKey }
  const urn = (type: string) => `urn:pulumi:s::p::xen:index:${type}::bench`
  const watch = new StatusWatch(provider)
  await provider.create(urn("Packages"), { connection, xen: true })
  await provider.create(urn("Bridge"), { connection, name: "xenbr0", uplink })
  // In software emulation GRUB's menu alone takes minutes, and that is part of the window.
  await provider.create(urn("Dom0"), { connection, memory: 1024, xenOptions: [...xenOptions], window: 1500 })
  const { total, theirs, longest } = watch.end()
  const waited = [...theirs].map(([what, seconds]) => `${what} ${seconds.toFixed(0)} s`).join(", ")
  const others = [...theirs.values()].reduce((sum, seconds) => sum + seconds, 0)
  const ours = total - others
  return [
    {
      name: "bare machine to Xen proven: what is ours, beside packages and boots",
      ours,
      theirs: others,
      unit: "s",
      ratio: ours / others,
      goal: "at most 10 s",
      note: `${waited}; ours most: ${longest.join(", ")}`,
    },
  ]
}

/** Notes when the status line changes; a line lasts until the next. */
class StatusWatch {
  readonly #lines: ProviderUnderTest["engine"]["lines"]
  readonly #timer: NodeJS.Timeout
  readonly #begun = performance.now()
  readonly #spans: { message: string; from: number }[] = []

  constructor({ engine }: ProviderUnderTest) {
    this.#lines = engine.lines
    this.#timer = setInterval(() => this.#look(), 20)
  }

  #look(): void {
    const last = this.#lines.at(-1)
    const known = this.#spans.at(-1)
    if (last && last.message !== known?.message)
      this.#spans.push({ message: last.message, from: performance.now() })
  }

  /** Seconds in all, those of others by what they are, and the longest of our own. */
  end() {
    clearInterval(this.#timer)
    const ended = performance.now()
    const theirs = new Map(THEIRS.map(([what]) => [what, 0]))
    const own = new Map<string, number>()
    for (const [at, { message, from }] of this.#spans.entries()) {
      const seconds = ((this.#spans[at + 1]?.from ?? ended) - from) / 1000
      const other = THEIRS.find(([, line]) => line.test(message))?.[0]
      const title = message.replace(/[,:(].*$/s, "").trim()
      if (other) theirs.set(other, theirs.get(other)! + seconds)
      else own.set(title, (own.get(title) ?? 0) + seconds)
    }
    const longest = [...own]
      .sort(([, one], [, other]) => other - one)
      .slice(0, 3)
      .map(([title, seconds]) => `${title} ${seconds.toFixed(1)} s`)
    return { total: (ended - this.#begun) / 1000, theirs, longest }
  }
}
