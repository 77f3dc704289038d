import { ACK, FIN, PSH, parseTcp, type Segment, SYN, tcp } from "./packets.ts"
import type { Replay } from "./replay.ts"

/** A TCP client that does what it is told, right or wrong: each method sends one segment and returns the answers. */
export class Client {
  readonly #replay: Replay
  readonly port: number
  seq: number
  /** The next byte expected of the server. */
  ack = 0
  window = 65535
  /** All that the server has sent in order. */
  received = ""
  finished = false

  constructor(replay: Replay, port: number, seq = 1_000_000) {
    this.#replay = replay
    this.port = port
    this.seq = seq
  }

  segment(fields: Partial<Segment>): Buffer {
    return tcp({
      sourcePort: this.port,
      destinationPort: 80,
      seq: this.seq,
      ack: this.ack,
      flags: ACK,
      window: this.window,
      data: Buffer.alloc(0),
      ...fields,
    })
  }

  /** Sends a segment as it is; the sequence number stays. Answers for this connection are taken in. */
  async send(fields: Partial<Segment>, after = 0): Promise<Segment[]> {
    return this.take(await this.#replay.send(this.segment(fields), after))
  }

  /** Takes in what the server sent meanwhile. */
  async wait(microseconds: number): Promise<Segment[]> {
    return this.take(await this.#replay.wait(microseconds))
  }

  take(frames: Buffer[]): Segment[] {
    const segments = frames
      .flatMap(frame => parseTcp(frame) ?? [])
      .filter(s => s.destinationPort === this.port)
    for (const segment of segments) {
      if (segment.flags & SYN) this.ack = (segment.seq + 1) >>> 0
      else if (segment.seq === this.ack) {
        this.received += segment.data.toString("latin1")
        this.finished ||= Boolean(segment.flags & FIN)
        this.ack = (this.ack + segment.data.length + (segment.flags & FIN)) >>> 0
      }
    }
    return segments
  }

  /** The three-way handshake. */
  async connect(options?: Buffer): Promise<this> {
    await this.send({ flags: SYN, ack: 0, ...(options && { options }) })
    this.seq++
    await this.send({})
    return this
  }

  /** Data in order, and the acknowledgement of what came back. */
  async write(text: string): Promise<Segment[]> {
    const data = Buffer.from(text, "latin1")
    const answers = await this.send({ flags: ACK | PSH, data })
    this.seq = (this.seq + data.length) >>> 0
    return [...answers, ...(await this.send({}))]
  }

  /** Sends a FIN and acknowledges all. */
  async close(): Promise<Segment[]> {
    const answers = await this.send({ flags: ACK | FIN })
    this.seq++
    return [...answers, ...(await this.send({}))]
  }
}
