/** A generation of the store is wanted, and the store does not have it. */
export class MissingGenerationError extends Error {
  override readonly name = "MissingGenerationError"
  readonly generation: string
  readonly kept: readonly string[]

  constructor(name: string, generation: string, kept: readonly string[]) {
    const has = kept.length > 0 ? `it has ${kept.join(", ")}` : "it has none"
    super(
      `The store has no generation ${generation} of ${name}: ${has}. Choose one of them, or deploy it from its kernel.`,
    )
    this.generation = generation
    this.kept = kept
  }
}

/** A domain could not be started. */
export class DomainStartError extends Error {
  override readonly name = "DomainStartError"
  readonly host: string
  readonly domain: string
  /** What xl said. */
  readonly stderr: string
  /** The last 40 lines of the console. */
  readonly console: readonly string[]

  constructor(host: string, domain: string, stderr: string, console: readonly string[]) {
    const said =
      console.length > 0 ? `\nIts console ended with:\n${console.map(line => `  ${line}`).join("\n")}` : ""
    super(`${host}: xl could not start ${domain}: ${stderr.trim() || "it did not say why"}${said}`)
    this.host = host
    this.domain = domain
    this.stderr = stderr
    this.console = console
  }
}

/** An update was taken back: what served before serves again, or goes on. */
export class UpdateTakenBackError extends Error {
  override readonly name = "UpdateTakenBackError"
  readonly generation: string
  readonly serves: string | undefined

  constructor(cause: Error, generation: string, serves: string | undefined) {
    const now = serves === undefined ? "It was taken away again." : `Generation ${serves} serves as before.`
    super(`${cause.message}\nGeneration ${generation} was not kept. ${now}`, { cause })
    this.generation = generation
    this.serves = serves
  }
}
