import { Duplex, PassThrough } from "node:stream"
import { setImmediate as turn } from "node:timers/promises"
import test from "ava"
import fc from "fast-check"
import type { ClientChannel } from "ssh2"
import { Sftp, SftpError, WriteMessage } from "../../../provider/ssh/upload/sftp.ts"

/** A channel whose other end the test is. */
class Channel extends Duplex {
  readonly stderr = new PassThrough()
  readonly sent: Buffer[] = []
  hungUp = false

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.sent.push(Buffer.from(chunk))
    done()
  }

  close(): void {
    this.hungUp = true
  }
}

function session(): { channel: Channel; sftp: Sftp } {
  const channel = new Channel()
  return { channel, sftp: new Sftp(channel as unknown as ClientChannel) }
}

const uint32 = (value: number): Buffer => Buffer.of(value >>> 24, value >>> 16, value >>> 8, value)
const text = (value: string): Buffer => Buffer.concat([uint32(value.length), Buffer.from(value)])
const answer = (type: number, number: number, ...rest: Buffer[]): Buffer => {
  const body = Buffer.concat([Buffer.of(type), uint32(number), ...rest])
  return Buffer.concat([uint32(body.length), body])
}
const status = (number: number, code: number, words = ""): Buffer =>
  answer(101, number, uint32(code), text(words), text("en"))

test("a server without limits is given what every server takes, one with limits as much as it says", async t => {
  for (const [limit, room] of [
    [undefined, 32 * 1024],
    [100_000, 100_000],
    [0, 32 * 1024],
    [1 << 30, 255 * 1024],
  ] as const) {
    const { channel, sftp } = session()
    const started = sftp.start()
    channel.push(answer(2, 3, ...(limit === undefined ? [] : [text("limits@openssh.com"), text("1")])))
    await turn()
    const uint64 = (value: number): Buffer => Buffer.concat([uint32(0), uint32(value)])
    if (limit !== undefined)
      channel.push(answer(201, 4, uint64(1 << 18), uint64(1), uint64(limit), uint64(9)))
    await started
    t.is(sftp.room, room)
    t.is(channel.sent.length, limit === undefined ? 1 : 2)
  }
})

test("a failure is the server's code and words", async t => {
  const { channel, sftp } = session()
  const opened = sftp.open("/x")
  channel.push(status(4, 3, "Permission denied"))
  const error = await t.throwsAsync(opened, { instanceOf: SftpError })
  t.like(error, { status: 3, message: "Permission denied" })
})

test("answers find their requests in whatever order and pieces they come", async t => {
  const order = fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6, maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(order, fc.integer({ min: 1, max: 40 }), async (arrivals, piece) => {
      const { channel, sftp } = session()
      const message = (): WriteMessage => new WriteMessage(Buffer.from("handle"), 10)
      const results = arrivals.map((_, index) => sftp.write(message(), index + 1, 0).catch(error => error))
      const said = Buffer.concat(arrivals.map(index => status(4 + index, index)))
      for (let at = 0; at < said.length; at += piece) channel.push(said.subarray(at, at + piece))
      const settled = await Promise.all(results)
      t.deepEqual(
        settled.map(result => (result instanceof SftpError ? result.status : 0)),
        [0, 1, 2, 3, 4, 5],
      )
    }),
    { numRuns: 100 },
  )
})

test("a WRITE has its data where the message is, at any offset that a file can have", t => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 256 }),
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.maxSafeNat(),
      (handle, data, position) => {
        const message = new WriteMessage(Buffer.from(handle), 300)
        message.data.set(data)
        const bytes = message.seal(77, data.length, position)
        const expected = answer(
          6,
          77,
          Buffer.concat([uint32(handle.length), handle]),
          Buffer.concat([uint32(Math.floor(position / 2 ** 32)), uint32(position % 2 ** 32)]),
          Buffer.concat([uint32(data.length), data]),
        )
        t.true(bytes.equals(expected))
      },
    ),
  )
})

test("whatever a server says, every request is answered or fails, and nothing is thrown elsewhere", async t => {
  const noise = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map(bytes => Buffer.from(bytes)),
      fc
        .tuple(
          fc.constantFrom(2, 101, 102, 201, 7),
          fc.integer({ min: 2, max: 6 }),
          fc.uint8Array({ maxLength: 20 }),
        )
        .map(([type, number, rest]) => answer(type, number, Buffer.from(rest))),
    ),
    { maxLength: 8 },
  )
  await fc.assert(
    fc.asyncProperty(noise, async chunks => {
      const { channel, sftp } = session()
      const requests = Promise.allSettled([sftp.start(), sftp.open("/x"), sftp.close(Buffer.from("h"))])
      for (const chunk of chunks) channel.push(chunk)
      await turn()
      channel.emit("close")
      t.is((await requests).length, 3)
      await t.throwsAsync(sftp.open("/y"))
      t.true(channel.hungUp)
    }),
    { numRuns: 2000 },
  )
})
