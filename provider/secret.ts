import { inspect } from "node:util"

/**
 * A value that must not be seen. Every way of turning it into text gives `[secret]`; only `reveal()` gives
 * the value, and it is called where the value leaves for its destination: standard input or a file's bytes.
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return "[secret]"
  }

  toJSON(): string {
    return "[secret]"
  }

  [inspect.custom](): string {
    return "[secret]"
  }
}
