import { type Finding, SkeletonError, XlcfgError } from "xlcfg"

/** Why there is no configuration; `property` is the input that it is about. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError"
  readonly property: string

  constructor(property: string, message: string) {
    super(message)
    this.property = property
  }
}

/** What a check found, with its remedy. */
export function sentence({ key, message, remedy }: Finding): string {
  return `${key ? `${key}: ` : ""}${message}${remedy ? `; ${remedy}` : ""}`
}

/** What `make` makes; what xlcfg finds wrong with it is about that input. @throws ConfigurationError */
export function about<T>(property: string, make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (error instanceof SkeletonError) throw new ConfigurationError("skeleton", error.message)
    if (error instanceof XlcfgError) throw new ConfigurationError(property, error.message)
    throw error
  }
}
