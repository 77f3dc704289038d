import { setTimeout as sleep } from "node:timers/promises"
import type { ExecutionContext } from "ava"
import { address, type Site } from "./site.ts"

/** Asks all the time, from the other end of the host's wire, and writes down every answer. */
export class Watch implements AsyncDisposable {
  readonly address: string
  readonly #site: Site
  readonly #ended: Promise<void>
  #over = false
  #answers: { version: string; uptime: number }[] = []
  #failures: string[] = []

  constructor(site: Site, at: string = address) {
    this.#site = site
    this.address = at
    this.#ended = this.#ask()
  }

  async #ask(): Promise<void> {
    while (!this.#over) {
      await this.#site.answer(this.address).then(
        answer => this.#answers.push(answer),
        error => this.#failures.push(String(error)),
      )
      await sleep(100)
    }
  }

  begin(): void {
    this.#answers = []
    this.#failures = []
  }

  /**
   * None failed, and the old version was never started anew. `straight`: nor was the new one, and once it has answered, the
   * old one does not any more; else it may have been taken back and tried again.
   */
  async check(
    t: ExecutionContext,
    versions: readonly string[],
    { straight }: { straight: boolean },
    story: string,
  ): Promise<void> {
    t.deepEqual(this.#failures, [], story)
    const seen = this.#answers.map(({ version }) => version)
    t.true(
      seen.every(version => versions.includes(version)),
      `${story}: ${seen}`,
    )
    if (straight)
      t.deepEqual(
        seen,
        seen.toSorted((a, b) => versions.indexOf(a) - versions.indexOf(b)),
        story,
      )
    for (const version of straight ? versions : versions.slice(0, 1)) {
      const uptimes = this.#answers.filter(answer => answer.version === version).map(({ uptime }) => uptime)
      t.deepEqual(
        uptimes,
        uptimes.toSorted((a, b) => a - b),
        `${story}: ${version} was not started anew`,
      )
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true
    await this.#ended
  }
}
