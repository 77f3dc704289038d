import type { ClientChannel } from "ssh2"
import { packString, WireReader } from "../wire.ts"

/** A failed operation: the server's status code and its words (draft-ietf-secsh-filexfer-02, section 7). */
export class SftpError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const OK = 0
export const NO_SUCH_FILE = 2

/** Packet types and flags, sections 3 and 6.3 there. */
const INIT = 1
const VERSION = 2
const OPEN = 3
const CLOSE = 4
const WRITE = 6
const STATUS = 101
const HANDLE = 102
const EXTENDED = 200
const EXTENDED_REPLY = 201
const READ_AND_WRITE = 0x3
const LIMITS = "limits@openssh.com"

/** Bytes of data that every server takes in one message, section 3. */
const MODEST = 32 * 1024
/** As much as OpenSSH takes. */
const LARGEST = 255 * 1024
/** Length, type and number. */
const SHORTEST_ANSWER = 9
/** Nothing that is asked here has a longer answer: it is something else, such as what a login script prints. */
const LONGEST_ANSWER = 64 * 1024

interface Answer {
  type: number
  body: WireReader
}

/**
 * As much of SFTP 3 as writing a file takes. ssh2's own copies every WRITE into fresh memory, which costs more than
 * to encrypt it, and does not answer what was under way at the session's end. Here data is read into the very message
 * that carries it, and every request is answered or fails.
 */
export class Sftp {
  /** Bytes of data that one WRITE may carry. */
  room = MODEST
  readonly #channel: ClientChannel
  readonly #pending = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>()
  #received = Buffer.alloc(0)
  /** INIT has the protocol's version where others have their number, and is answered with the same. */
  #number = 3
  #ended: Error | undefined

  /** @param channel on which the subsystem `sftp` has just been started */
  constructor(channel: ClientChannel) {
    this.#channel = channel
    channel.on("data", (chunk: Buffer) => this.#receive(chunk))
    channel.on("error", (error: Error) => this.end(error))
    channel.once("close", () => this.end(new Error("The SFTP session ended")))
    channel.stderr.resume()
  }

  /** Greets the server, and asks what it can take (`limits@openssh.com` in OpenSSH's PROTOCOL file). */
  async start(): Promise<void> {
    const extensions = (await this.#request(VERSION, frame(INIT, this.#number))).rest()
    if (!extensions.includes(LIMITS)) return
    const limits = await this.#request(EXTENDED_REPLY, frame(EXTENDED, ++this.#number, packString(LIMITS)))
    const [_packet, _read, write] = [limits.uint64(), limits.uint64(), limits.uint64()]
    this.room = Math.min(Number(write) || MODEST, LARGEST)
  }

  /** Opens an existing file to write to it. Returns its handle. */
  async open(path: string): Promise<Buffer> {
    const message = frame(OPEN, ++this.#number, packString(path), uint32(READ_AND_WRITE), uint32(0))
    return (await this.#request(HANDLE, message)).string()
  }

  /** The message belongs to this WRITE until it is answered. */
  async write(message: WriteMessage, length: number, position: number): Promise<void> {
    await this.#request(STATUS, message.seal(++this.#number, length, position))
  }

  async close(handle: Buffer): Promise<void> {
    await this.#request(STATUS, frame(CLOSE, ++this.#number, packString(handle)))
  }

  /** What is under way fails with the reason. */
  end(reason: Error): void {
    if (this.#ended) return
    this.#ended = reason
    for (const { reject } of this.#pending.values()) reject(reason)
    this.#pending.clear()
    this.#channel.close()
  }

  /** Sends a message that bears the latest number. */
  async #request(wanted: number, message: Buffer): Promise<WireReader> {
    const { type, body } = await new Promise<Answer>((resolve, reject) => {
      if (this.#ended) return reject(this.#ended)
      this.#pending.set(this.#number, { resolve, reject })
      this.#channel.write(message)
    })
    const status = type === STATUS ? body.uint32() : OK
    if (status !== OK) throw new SftpError(status, body.text())
    if (type !== wanted) throw new Error(`SFTP: an answer of type ${type} where ${wanted} was to come`)
    return body
  }

  #receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk])
    while (this.#received.length >= 4) {
      const end = 4 + this.#received.readUInt32BE(0)
      if (end < SHORTEST_ANSWER || end > LONGEST_ANSWER) {
        this.end(new Error("what it says is not SFTP"))
        return
      }
      if (this.#received.length < end) return
      this.#answer(this.#received.subarray(4, end))
      this.#received = this.#received.subarray(end)
    }
  }

  #answer(message: Buffer): void {
    const body = new WireReader(message.subarray(1))
    const number = body.uint32()
    this.#pending.get(number)?.resolve({ type: message[0] ?? 0, body })
    this.#pending.delete(number)
  }
}

/** A WRITE into an open file, whose data is put where it is sent from. May be sent again with other data. */
export class WriteMessage {
  readonly data: Buffer
  readonly #bytes: Buffer
  readonly #start: number

  constructor(handle: Buffer, room: number) {
    const head = frame(WRITE, 0, packString(handle), Buffer.alloc(12))
    this.#start = head.length
    this.#bytes = Buffer.allocUnsafeSlow(head.length + room)
    head.copy(this.#bytes)
    this.data = this.#bytes.subarray(head.length)
  }

  /** The message about the first bytes of the data. */
  seal(number: number, length: number, position: number): Buffer {
    this.#bytes.writeUInt32BE(this.#start - 4 + length, 0)
    this.#bytes.writeUInt32BE(number, 5)
    this.#bytes.writeBigUInt64BE(BigInt(position), this.#start - 12)
    this.#bytes.writeUInt32BE(length, this.#start - 4)
    return this.#bytes.subarray(0, this.#start + length)
  }
}

/** Length, type and number, then what the type asks for. */
function frame(type: number, number: number, ...details: readonly Buffer[]): Buffer {
  const body = Buffer.concat([Buffer.of(type), uint32(number), ...details])
  return packString(body)
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
