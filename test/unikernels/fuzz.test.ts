import test from "ava"
import fc from "fast-check"
import { make, newFolder, removeFolder } from "./support/build.ts"
import { Client } from "./support/client.ts"
import {
  ACK,
  arp,
  clientAddress,
  FIN,
  flaw,
  icmpEcho,
  ipv4,
  PSH,
  RST,
  SYN,
  serverAddress,
  tcp,
} from "./support/packets.ts"
import { Replay, type Step } from "./support/replay.ts"

const get = "GET /health HTTP/1.1\r\nHost: h\r\n\r\n"
let dist: string

test.before(async () => {
  dist = await newFolder()
  await make("posix", dist)
})

test.after.always(() => removeFolder(dist))

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map(array => Buffer.from(array))

/** Text that is nearly HTTP. */
const text = fc
  .array(
    fc.constantFrom(
      ..."GET |HEAD |/|/disk|/health| HTTP/1.1|\r\n|\r\n\r\n|Host: h\r\n|Content-Length: |9|:| |\0".split(
        "|",
      ),
      get,
    ),
    { maxLength: 30 },
  )
  .map(words => Buffer.from(words.join(""), "latin1").subarray(0, 1460))

/** Sequence numbers near those in use, where the comparisons are decided, or anywhere. */
const near = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -5000, max: 5000 }), fc.integer())

const segment = fc
  .record({
    port: fc.integer({ min: 1, max: 6 }),
    destinationPort: fc.constantFrom(80, 80, 80, 81),
    seq: near,
    ack: near,
    flags: fc.oneof(fc.constantFrom(ACK, ACK | PSH, SYN, FIN | ACK, RST, RST | ACK, SYN | ACK), fc.nat(255)),
    window: fc.constantFrom(0, 1, 100, 65535),
    options: fc.oneof(
      fc.constantFrom(
        Buffer.alloc(0),
        Buffer.from([2, 4, 0, 0]),
        Buffer.from([1, 2, 0, 9]),
        Buffer.from([3, 40, 0, 0]),
      ),
      bytes(40).map(options => options.subarray(0, options.length & ~3)),
    ),
    data: fc.oneof(text, bytes(1400)),
  })
  .map(({ port, seq, ack, ...rest }) => ({ ...rest, sourcePort: port, seq: 1_000_000 + seq, ack }))

type Wild = { make: (ack: number) => Buffer; after: number }

/** A frame; TCP acknowledges near what the server is at, which is known only when the frame is sent. */
const frame: fc.Arbitrary<Wild> = fc
  .record({
    make: fc.oneof(
      { weight: 6, arbitrary: segment.map(s => (ack: number) => tcp({ ...s, ack: ack + s.ack })) },
      { weight: 1, arbitrary: bytes(1514).map(raw => () => raw) },
      { weight: 1, arbitrary: bytes(1480).map(raw => () => icmpEcho(raw.subarray(0, 1472))) },
      {
        weight: 1,
        arbitrary: fc.tuple(fc.constantFrom(1, 6, 17, 99), bytes(1480)).map(
          ([p, raw]) =>
            () =>
              ipv4(p, raw),
        ),
      },
      { weight: 1, arbitrary: fc.constant(() => arp(1, { from: clientAddress, to: serverAddress })) },
    ),
    damage: fc.option(fc.tuple(fc.nat(1513), fc.nat(255)), { freq: 4, nil: undefined }),
    cut: fc.option(fc.nat(1514), { freq: 6, nil: undefined }),
    after: fc.oneof(fc.constant(0), fc.nat(1000), fc.nat(3_000_000), fc.nat(70_000_000)),
  })
  .map(({ make, damage, cut, after }) => ({
    after,
    make: ack => {
      const whole = make(ack)
      if (damage) whole[damage[0] % Math.max(1, whole.length)]! ^= damage[1]
      return cut === undefined ? whole : whole.subarray(0, cut)
    },
  }))

/** What is wrong in the frames that came back, and the server's latest sequence numbers. */
async function play(replay: Replay, steps: Step[]): Promise<string[]> {
  return (await replay.play(steps)).flat().flatMap(answer => flaw(answer) ?? [])
}

test("no generated packet makes it touch wrong memory, send a bad frame or stop serving", async t => {
  let packets = 0
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { minLength: 15, maxLength: 120 }), async wild => {
      const replay = Replay.start(dist)
      const run = async () => {
        // Ports 1 to 3 have an open connection, so that the segments for them reach the whole of TCP.
        const open: Client[] = []
        for (const port of [1, 2, 3]) open.push(await new Client(replay, port).connect())
        const flaws = await play(
          replay,
          wild.map(({ make, after }, i) => ({ after, frame: make(open[i % 3]!.ack) })),
        )
        packets += wild.length
        if (flaws.length > 0) throw new Error(flaws.join(", "))
        const sane = await new Client(replay, 50_000).connect()
        await sane.write(get)
        if (!sane.received.endsWith("ok\n")) throw new Error(`no answer afterwards: ${sane.received}`)
        const quiet = await replay.wait(200_000_000)
        if (quiet.length > 4000) throw new Error(`${quiet.length} frames into silence`)
        if ((await replay.wait(600_000_000)).length > 0) throw new Error("it never falls silent")
      }
      const result = await run().catch((error: Error) => error)
      const { code, errors } = await replay.end()
      if (code !== 0 || result) throw new Error(`${result?.message}\n${errors}`)
    }),
    { numRuns: 300 },
  )
  t.true(packets > 3000, `${packets} packets`)
})

test("however a stream is cut, repeated and reordered, every request in it is answered once, in order", async t => {
  const requests = Array.from(
    { length: 12 },
    (_, i) => `GET /${i % 2 ? "health" : "nope"} HTTP/1.1\r\nHost: h\r\n\r\n`,
  )
  const stream = Buffer.from(requests.join(""))
  const cuts = fc.array(fc.tuple(fc.nat(stream.length), fc.integer({ min: 1, max: 600 })), { maxLength: 40 })
  const property = fc.asyncProperty(cuts, async pieces => {
    const replay = Replay.start(dist)
    const client = await new Client(replay, 1).connect()
    const start = client.seq
    // Any pieces in any order; at last the whole, from the start, as a sender does after a timeout.
    const last: [number, number][] = Array.from({ length: stream.length }, (_, i) => [i * 500, 500])
    for (const [from, size] of [...pieces, ...last.filter(([at]) => at < stream.length)]) {
      await client.send({ seq: start + from, data: stream.subarray(from, from + size) })
      await client.send({ seq: start })
    }
    await client.wait(30_000_000)
    await replay.end()
    const statuses = client.received.match(/HTTP\/1\.1 \d+/g)?.map(line => line.slice(9))
    const expected = requests.map((_, i) => (i % 2 ? "200" : "404"))
    if (statuses?.join() !== expected.join()) throw new Error(`${statuses}`)
  })
  await t.notThrowsAsync(async () => fc.assert(property, { numRuns: 100 }))
})
