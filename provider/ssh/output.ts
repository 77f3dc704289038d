import { StringDecoder } from "node:string_decoder"
import { MARKER } from "./commandLine.ts"

/** What `keep: "all"` keeps at most, a stream. */
export const MAX_OUTPUT = 64 * 1024 * 1024
const TAIL = 64 * 1024

/** One stream of a command: what is kept of it, and its lines as they come. */
export class Output {
  /** Set when more came than is kept. */
  overflowed = false
  readonly #keep: "all" | "tail"
  readonly #onLine: ((line: string) => void) | undefined
  readonly #decoder = new StringDecoder("utf8")
  #chunks: Buffer[] = []
  #size = 0
  #line = ""
  /** What came ahead of the marker; undefined once the marker was seen, or when none is awaited. */
  #noise: Buffer | undefined

  constructor(options: {
    keep: "all" | "tail"
    onLine: ((line: string) => void) | undefined
    marked: boolean
  }) {
    this.#keep = options.keep
    this.#onLine = options.onLine
    this.#noise = options.marked ? Buffer.alloc(0) : undefined
  }

  /** @returns what stood behind the marker, when it came with this chunk */
  push(chunk: Buffer): string | undefined {
    if (this.#noise === undefined) {
      this.#add(chunk)
      return undefined
    }
    this.#noise = Buffer.concat([this.#noise, chunk])
    const start = this.#noise.indexOf(MARKER)
    const end = start < 0 ? -1 : this.#noise.indexOf("\n", start)
    if (end < 0) return undefined
    const said = this.#noise.toString("utf8", start + MARKER.length, end).trim()
    const rest = this.#noise.subarray(end + 1)
    this.#noise = undefined
    if (rest.length > 0) this.#add(rest)
    return said
  }

  /** A last line without its newline is a line, too. */
  finish(): void {
    const rest = this.#line + this.#decoder.end()
    this.#line = ""
    if (rest !== "") this.#onLine?.(rest)
  }

  /** What the command printed; before it began, what was printed instead of it. */
  get text(): string {
    return this.#noise?.toString("utf8") ?? Buffer.concat(this.#chunks).toString("utf8")
  }

  #add(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#keep === "all") this.overflowed = this.#size > MAX_OUTPUT
    else {
      while (this.#size - this.#chunks[0]!.length >= TAIL) this.#size -= this.#chunks.shift()!.length
    }
    if (this.#onLine) this.#lines(this.#decoder.write(chunk))
  }

  #lines(text: string): void {
    const lines = (this.#line + text).split("\n")
    this.#line = lines.pop() ?? ""
    for (const line of lines) this.#onLine?.(line)
  }
}
