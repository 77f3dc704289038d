import { inspect } from "node:util"

/**
 * A value that must not be seen. Every way of turning it into text gives `[secret]`; only `reveal()` gives
 * the value, and it is called where the value leaves for its destination: standard input or a file's bytes.
 */
export class Secret<T = string> {
  readonly #value: T

  constructor(value: T) {
    this.#value = value
  }

  reveal(): T {
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
