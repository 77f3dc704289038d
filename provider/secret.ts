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

const USER_INFO = /^([a-z][a-z0-9+.-]*:\/\/)([^\s/?#]+)@/i

/** User and password in an address, as they are written there: "https://USER:PASSWORD@host/path"; or a token alone. */
export function userInfoOf(address: string): string | undefined {
  return USER_INFO.exec(address)?.[2]
}

/**
 * What nobody may see of an address, in the order from most to least; `[]` where all of it may be seen. A user's name alone is
 * an ordinary word, unless it is as long as tokens are.
 */
export function secretsOf(address: string): string[] {
  const userInfo = userInfoOf(address)
  if (userInfo === undefined) return []
  const password = /^[^:]*:(.*)$/.exec(userInfo)?.[1]
  if (password !== undefined) return [userInfo, password]
  return /^https?:/i.test(address) && userInfo.length >= 8 ? [userInfo] : []
}

/** An address for people to see. */
export function withoutUserInfo(address: string): string {
  return address.replace(USER_INFO, "$1[secret]@")
}
