/** Reads the data types of RFC 4251, section 5. Every method throws a RangeError where the data is cut short. */
export class WireReader {
  position = 0
  readonly #data: Buffer

  constructor(data: Buffer) {
    this.#data = data
  }

  uint32(): number {
    const value = this.#data.readUInt32BE(this.position)
    this.position += 4
    return value
  }

  uint64(): bigint {
    const value = this.#data.readBigUInt64BE(this.position)
    this.position += 8
    return value
  }

  string(): Buffer {
    const length = this.uint32()
    const end = this.position + length
    if (end > this.#data.length) throw new RangeError("The data ends within a string")
    const value = this.#data.subarray(this.position, end)
    this.position = end
    return value
  }

  text(): string {
    return this.string().toString("utf8")
  }

  /** An mpint without its sign, in so many bytes. */
  integer(size: number): Buffer {
    const digits = this.string()
    const start = Math.max(0, digits.length - size)
    if (digits.subarray(0, start).some(byte => byte !== 0)) throw new RangeError("The number is too large")
    return Buffer.concat([Buffer.alloc(Math.max(0, size - digits.length)), digits.subarray(start)])
  }

  /** All strings up to the end. */
  rest(): string[] {
    const texts: string[] = []
    while (this.position < this.#data.length) texts.push(this.text())
    return texts
  }
}

/** A string of RFC 4251: its length, then its bytes. */
export function packString(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
