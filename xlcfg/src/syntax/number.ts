const LONG_MIN = -(2n ** 63n)
const LONG_MAX = 2n ** 63n - 1n

/**
 * Reads a number as xl does, by `strtol(text, &end, 0)` with nothing left over: `16`, `0x10` and `020` are
 * sixteen, a sign and white space before it are fine, anything after it is not.
 * `undefined`: not a number, or one that does not fit a C `long`.
 */
export function toLong(text: string): bigint | undefined {
  const match = /^[ \t\n\v\f\r]*([+-]?)(?:0[xX]([0-9a-fA-F]+)|0([0-7]*)|([1-9][0-9]*))$/.exec(text)
  if (!match) return undefined
  const [, sign, hex, octal, decimal] = match
  const size =
    hex !== undefined ? BigInt(`0x${hex}`) : decimal !== undefined ? BigInt(decimal) : BigInt(`0o0${octal}`)
  const value = sign === "-" ? -size : size
  return value < LONG_MIN || value > LONG_MAX ? undefined : value
}

/** {@link toLong} for the sizes and counts that a JavaScript number holds exactly. */
export function toInteger(text: string): number | undefined {
  const value = toLong(text)
  return value === undefined || !Number.isSafeInteger(Number(value)) ? undefined : Number(value)
}
