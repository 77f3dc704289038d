import type { Engine } from "./engine.ts"
import { messageOf } from "./errors.ts"
import type { Redactor } from "./redact.ts"
import type { Context, Severity } from "./resource.ts"

/** The engine stopped: Ctrl-C, a normal shutdown, or its end. */
export class StoppedError extends Error {
  override name = "StoppedError"
}

/** An operation took longer than its limit. */
export class OperationTimeoutError extends Error {
  override name = "OperationTimeoutError"
}

export interface OperationOptions {
  /** The word for the user: create, update, read, delete, check, call. */
  readonly verb: string
  readonly urn: string
  readonly preview?: boolean
  /** Milliseconds. */
  readonly timeout: number
  readonly engine: Engine | undefined
  readonly redactor: Redactor
  /** Aborted when the engine cancels everything. */
  readonly stopping: AbortSignal
}

/** One call of the engine, from its request to its answer. It is the `Context` that a resource's code gets. */
export class Operation implements Context {
  readonly urn: string
  readonly preview: boolean
  readonly timeout: number
  readonly signal: AbortSignal
  /** What the resource's code said exists by now. */
  existing: { id: string; outputs: object } | undefined
  readonly #options: OperationOptions
  readonly #deadline = new AbortController()
  readonly #timer: NodeJS.Timeout

  constructor(options: OperationOptions) {
    this.urn = options.urn
    this.preview = options.preview ?? false
    this.timeout = options.timeout
    this.#options = options
    this.signal = AbortSignal.any([options.stopping, this.#deadline.signal])
    this.#timer = setTimeout(() => {
      const limit = `${options.verb} did not finish within ${describeDuration(options.timeout)}`
      this.#deadline.abort(new OperationTimeoutError(limit))
    }, options.timeout)
    this.#timer.unref()
  }

  log(severity: Severity, message: string): void {
    this.#options.engine?.log(severity, this.#options.redactor.redact(message), { urn: this.urn })
  }

  progress(message: string): void {
    const text = this.#options.redactor.redact(message)
    this.#options.engine?.log("info", text, { urn: this.urn, ephemeral: true })
  }

  exists(id: string, outputs: object): void {
    this.existing = { id, outputs }
  }

  /** The sentence for whatever the operation threw: why it was stopped goes before what that stop looked like. */
  explain(thrown: unknown): string {
    const message = this.#options.redactor.redact(messageOf(thrown))
    const reason = this.signal.aborted ? this.signal.reason : undefined
    if (reason instanceof OperationTimeoutError && thrown !== reason) {
      return `${reason.message} (customTimeouts sets the limit): ${message}`
    }
    if (reason instanceof StoppedError && thrown !== reason) return `${reason.message}: ${message}`
    return message
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}

function describeDuration(milliseconds: number): string {
  const seconds = milliseconds / 1000
  if (seconds >= 120) return `${Math.round(seconds / 60)} minutes`
  return seconds === 1 ? "1 second" : `${seconds} seconds`
}
