import { Secret, secretsOf } from "../secret.ts"
import { bare, contains, type Properties, type Value } from "./value.ts"

/**
 * The last line of defence: every text that leaves the provider passes here, and what the engine has ever told us
 * to keep secret is struck out of it. (Secrets are kept out of messages where those are made; this holds where
 * a remote program repeats one in its own output.)
 */
export class Redactor {
  readonly #secrets = new Set<string>()

  /** Learns every text inside a secret envelope of these properties, and the passwords in addresses anywhere. */
  learn(properties: Properties): void {
    contains(properties, part => {
      if (part instanceof Secret) this.#learnValue(part.reveal() as Value)
      if (typeof part === "string") this.#learnAddress(part)
      return false
    })
  }

  /** Programs repeat an address in their errors: whole, without the user, or with `%40` as the sign that it is. */
  #learnAddress(address: string): void {
    for (const text of secretsOf(address))
      for (const spelling of [text, decoded(text)]) if (spelling.length >= 4) this.#secrets.add(spelling)
  }

  #learnValue(value: Value): void {
    contains(bare(value), part => {
      if (typeof part === "string") {
        this.#learnAddress(part)
        // A private key may be repeated line by line. Short texts would strike out ordinary words.
        for (const line of [part, ...part.split("\n")])
          if (line.trim().length >= 4) this.#secrets.add(line.trim())
        // What is given an argument may repeat its value alone.
        const value = /^--?[\w.-]+=(.{8,})$/.exec(part)?.[1]
        if (value !== undefined) this.#secrets.add(value)
      }
      return false
    })
  }

  redact(text: string): string {
    let redacted = text
    // The longest first: what is left of one in which another was struck out would be told.
    for (const secret of [...this.#secrets].sort((one, other) => other.length - one.length))
      redacted = redacted.replaceAll(secret, "[secret]")
    return redacted
  }
}

/** Without its percent-encoding; as it is where that is not well-formed. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (error instanceof URIError) return text
    throw error
  }
}
