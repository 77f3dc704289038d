/** A limit on what happens at once; who comes first is served first. */
export class Slots {
  #limit: number
  #taken = 0
  readonly #waiting = new Set<() => void>()

  constructor(limit: number) {
    this.#limit = limit
  }

  get taken(): number {
    return this.#taken
  }

  /** Waits for a slot, until the signal says otherwise; rejects with its reason. `release` is called once for each. */
  async acquire(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (this.#taken < this.#limit) {
      this.#taken++
      return
    }
    await new Promise<void>((resolve, reject) => {
      const admit = (): void => {
        signal?.removeEventListener("abort", leave)
        resolve()
      }
      const leave = (): void => {
        this.#waiting.delete(admit)
        reject(signal?.reason)
      }
      this.#waiting.add(admit)
      signal?.addEventListener("abort", leave, { once: true })
    })
  }

  release(): void {
    this.#taken--
    for (const admit of this.#waiting) {
      if (this.#taken >= this.#limit) return
      this.#waiting.delete(admit)
      this.#taken++
      admit()
    }
  }

  /** From now on no more at once than there are besides the caller's own, and at least one. */
  shrink(): void {
    this.#limit = Math.max(1, this.#taken - 1)
  }
}
