import test, { type ExecutionContext } from "ava"
import { make, newFolder, removeFolder } from "./support/build.ts"
import { Client } from "./support/client.ts"
import {
  ACK,
  arp,
  checksum,
  clientAddress,
  clientMac,
  FIN,
  flaw,
  icmpEcho,
  ipv4,
  parseTcp,
  RST,
  SYN,
  serverAddress,
  serverMac,
} from "./support/packets.ts"
import { Replay } from "./support/replay.ts"

const get = "GET /health HTTP/1.1\r\nHost: h\r\n\r\n"
const seconds = 1_000_000
let dist: string

test.before(async () => {
  dist = await newFolder()
  await make("posix", dist)
})

test.after.always(() => removeFolder(dist))

function start(t: ExecutionContext, args?: string[]): Replay {
  const replay = Replay.start(dist, args)
  t.teardown(async () => {
    await replay.end()
  })
  return replay
}

async function client(t: ExecutionContext, port = 40000): Promise<{ replay: Replay; client: Client }> {
  const replay = start(t)
  return { replay, client: await new Client(replay, port).connect() }
}

test("the address is announced at the start, once", async t => {
  const replay = start(t)
  const [announcement, ...more] = await replay.wait(60 * seconds)
  t.deepEqual(more, [])
  t.is(announcement!.toString("hex", 0, 6), "ffffffffffff")
  t.is(announcement!.toString("hex", 28, 32), announcement!.toString("hex", 38, 42))
})

test("ARP is answered for its own address only, to the one who asked", async t => {
  const replay = start(t)
  await replay.wait(0)
  const [reply] = await replay.send(arp(1, { from: clientAddress, to: serverAddress }))
  t.true(reply!.subarray(0, 6).equals(clientMac))
  t.true(reply!.subarray(22, 28).equals(serverMac))
  t.deepEqual(await replay.send(arp(1, { from: clientAddress, to: "10.0.0.3" })), [])
  t.deepEqual(await replay.send(arp(2, { from: clientAddress, to: serverAddress })), [])
})

test("ping is answered with the same bytes, also in a full frame", async t => {
  const replay = start(t)
  await replay.wait(0)
  for (const size of [0, 1, 56, 1472]) {
    const request = icmpEcho(Buffer.alloc(size, 0x5a))
    const [reply] = await replay.send(request)
    t.is(flaw(reply!), undefined)
    t.is(reply![34], 0)
    t.deepEqual(reply!.subarray(38), request.subarray(38))
  }
})

const ignored: [string, () => Buffer][] = [
  ["a ping with a bad checksum", () => withByte(icmpEcho(Buffer.alloc(8)), 45, 0xff)],
  ["a ping with a bad IPv4 checksum", () => withByte(icmpEcho(Buffer.alloc(8)), 24, 0xff)],
  ["a fragment", () => reheaded(icmpEcho(Buffer.alloc(8)), header => header.writeUInt16BE(0x2000, 6))],
  [
    "a length beyond the frame",
    () => reheaded(icmpEcho(Buffer.alloc(8)), header => header.writeUInt16BE(900, 2)),
  ],
  [
    "a header length beyond the packet",
    () => reheaded(ipv4(1, Buffer.alloc(8)), header => header.writeUInt8(0x4f, 0)),
  ],
  ["a packet for another address", () => icmpEcho(Buffer.alloc(8), { from: clientAddress, to: "10.0.0.3" })],
  ["a packet from a group", () => icmpEcho(Buffer.alloc(8), { from: "224.0.0.1", to: serverAddress })],
  ["a packet from itself", () => icmpEcho(Buffer.alloc(8), { from: serverAddress, to: serverAddress })],
  ["a frame for another station", () => withByte(icmpEcho(Buffer.alloc(8)), 5, 0x77)],
  ["an empty frame", () => Buffer.from([1])],
]

for (const [name, frame] of ignored) {
  test(`no answer to ${name}`, async t => {
    const replay = start(t)
    await replay.wait(0)
    t.deepEqual(await replay.send(frame()), [])
    t.is((await replay.send(icmpEcho(Buffer.alloc(8)))).length, 1, "and it still answers a good one")
  })
}

test("a request is answered, and both sides can close", async t => {
  const { client: c } = await client(t)
  await c.write(get)
  t.regex(c.received, /^HTTP\/1.1 200 OK\r\n[\s\S]*\r\n\r\nok\n$/)
  const answers = await c.close()
  t.true(answers.some(segment => segment.flags & FIN))
  const [reset] = await c.send({})
  t.is(reset?.flags, RST | ACK, "the connection is forgotten")
})

test("a lost answer is sent again, each time after twice as long", async t => {
  const { replay, client: c } = await client(t)
  await c.send({ data: Buffer.from(get) })
  const times: number[] = []
  for (let now = 0; now < 8 * seconds; now += seconds / 20) {
    const sent = await replay.wait(seconds / 20)
    if (sent.some(frame => parseTcp(frame)?.data.length)) times.push(now)
  }
  t.true(times.length >= 4, `sent at ${times}`)
  const gaps = times.slice(1).map((time, i) => time - times[i]!)
  t.true(
    gaps.slice(1).every((gap, i) => gap >= gaps[i]! * 1.5),
    `gaps ${gaps}`,
  )
})

test("a connection whose answer is never acknowledged ends after a dozen tries", async t => {
  const { replay, client: c } = await client(t)
  await c.send({ data: Buffer.from(get) })
  const sent = (await replay.wait(90 * seconds)).flatMap(frame => parseTcp(frame) ?? [])
  t.true(Boolean(sent.at(-1)!.flags & RST))
  t.deepEqual(await replay.wait(60 * seconds), [])
})

test("an idle connection is closed in order after a minute", async t => {
  const { client: c } = await client(t)
  await c.write(get)
  t.deepEqual(await c.wait(59 * seconds), [])
  const [fin] = await c.wait(2 * seconds)
  t.true(Boolean(fin!.flags & FIN))
})

test("a closed window is respected, probed, and filled when it opens", async t => {
  const { client: c } = await client(t)
  c.window = 0
  await c.write(get)
  t.is(c.received, "")
  const probes = await c.wait(3 * seconds)
  t.true(probes.length >= 1 && probes.every(probe => probe.data.length === 1))
  c.received = ""
  c.ack = probes[0]!.seq
  c.window = 65535
  const answers = await c.send({})
  t.true(answers.some(segment => segment.data.toString().endsWith("ok\n")))
})

test("no segment is larger than every host takes, and a peer is not told that larger ones may come", async t => {
  const replay = start(t)
  const c = new Client(replay, 40000)
  const [welcome] = await c.send({ flags: SYN, ack: 0, options: Buffer.from([2, 4, 5, 180]) })
  t.is(welcome!.options!.length, 0)
  c.seq++
  const sent = await c.send({ data: Buffer.from(get.repeat(12)) })
  t.deepEqual(
    sent.map(segment => segment.data.length),
    [536, 536, c.received.length - 2 * 536],
  )
  t.is(c.received.match(/200 OK/g)?.length, 12)
})

test("segments out of order, repeated and overlapping make one request", async t => {
  const { client: c } = await client(t)
  const part = (from: number, to: number) => ({ seq: c.seq + from, data: Buffer.from(get.slice(from, to)) })
  const [early] = await c.send(part(10, 20))
  t.is(early!.ack, c.seq, "asks for what is missing")
  await c.send(part(0, 10))
  await c.send(part(0, 10))
  await c.send(part(5, 25))
  const answers = await c.send(part(20, get.length))
  t.regex(answers.map(segment => segment.data.toString()).join(""), /200 OK[\s\S]*ok\n$/)
})

test("a request that is followed by a FIN at once is answered", async t => {
  const { client: c } = await client(t)
  const answers = await c.send({ flags: ACK | FIN, data: Buffer.from(get) })
  t.regex(answers.map(segment => segment.data.toString()).join(""), /ok\n$/)
  t.true(answers.some(segment => segment.flags & FIN))
})

test("pipelined requests are answered in order, more of them than any buffer holds", async t => {
  const { client: c } = await client(t)
  const burst = get.repeat(40)
  for (let i = 0; i < 5; i++) await c.write(burst)
  for (let i = 0; i < 5; i++) await c.send({}) // the answers are longer than the questions
  t.is(c.received.match(/200 OK/g)?.length, 200)
})

test("only an exact RST ends a connection", async t => {
  const { client: c } = await client(t)
  for (const away of [-1, 1, 100]) t.deepEqual(await c.send({ flags: RST, seq: c.seq + away }), [])
  await c.write(get)
  t.regex(c.received, /ok\n$/)
  t.deepEqual(await c.send({ flags: RST }), [])
  t.is((await c.send({}))[0]!.flags, RST | ACK)
})

test("a segment of a connection that it does not know is answered with RST; never a RST, nor another port", async t => {
  const replay = start(t)
  const c = new Client(replay, 40000)
  const [reset] = await c.send({ ack: 77, data: Buffer.from("x") })
  t.deepEqual([reset!.flags, reset!.seq, reset!.ack], [RST | ACK, 77, c.seq + 1])
  t.deepEqual(await c.send({ flags: SYN, ack: 0, destinationPort: 81 }), [])
  t.deepEqual(await c.send({ flags: RST }), [])
})

test("a SYN that is repeated gets the same answer", async t => {
  const replay = start(t)
  const c = new Client(replay, 40000)
  const [first] = await c.send({ flags: SYN, ack: 0 })
  const [again] = await c.send({ flags: SYN, ack: 0 })
  t.deepEqual([first!.seq, first!.ack], [again!.seq, again!.ack])
})

test("a handshake whose end and first request are lost for half a minute is not forgotten", async t => {
  const replay = start(t)
  const c = new Client(replay, 40000)
  await c.send({ flags: SYN, ack: 0 })
  c.seq++
  const again = await c.wait(30 * seconds)
  t.true(again.length >= 4 && again.every(segment => segment.flags === (SYN | ACK)))
  await c.write(get)
  t.regex(c.received, /ok\n$/)
})

test("a client may use a port again at once after a close", async t => {
  const { replay, client: c } = await client(t)
  await c.write("GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
  t.true(c.finished)
  await c.close()
  const again = await new Client(replay, c.port, c.seq + 5000).connect()
  await again.write(get)
  t.regex(again.received, /ok\n$/)
})

test("a flood of SYNs costs no open connection, and a new one still gets in", async t => {
  const { replay, client: c } = await client(t, 100)
  const flood = Array.from({ length: 5000 }, (_, i) =>
    new Client(replay, 1000 + i).segment({ flags: SYN, ack: 0 }),
  )
  await replay.play(flood.map(frame => ({ frame })))
  const late = await new Client(replay, 200).connect()
  for (const one of [c, late]) {
    await one.write(get)
    t.regex(one.received, /ok\n$/)
  }
})

test("200 connections are served side by side", async t => {
  const replay = start(t)
  const clients: Client[] = []
  for (let i = 0; i < 200; i++) clients.push(await new Client(replay, 10000 + i).connect())
  for (const c of clients) await c.write(get)
  t.true(clients.every(c => c.received.endsWith("ok\n")))
})

test("when the gateway's hardware address changes, open connections follow", async t => {
  const replay = start(t)
  const far = { from: "192.0.2.9", to: serverAddress }
  const moved = Buffer.from("020000000099", "hex")
  const [first] = await replay.send(icmpEcho(Buffer.alloc(8), far))
  t.is(first?.length, 42, "the announcement")
  const c = await new Client(replay, 40000).connect()
  await replay.send(arp(1, { from: clientAddress, to: clientAddress, fromMac: moved }))
  const data = Buffer.from(get)
  await replay.send(c.segment({ data }))
  await replay.send(arp(1, { from: clientAddress, to: clientAddress, fromMac: moved }))
  const resent = await replay.wait(2 * seconds)
  t.true(resent.length > 0 && resent.every(frame => frame.subarray(0, 6).equals(moved)))
})

const refusedArguments = [
  "--ipv4=10.0.0.2",
  "--ipv4=10.0.0.256/24",
  "--ipv4=10.0.0.2/33",
  "--ipv4=0.0.0.0/0",
  "--ipv4-gateway=nowhere",
  "--fail=softly",
  "--start-delay=-1",
  "--start-delay=99999999999999999999",
  `--version-text=${"x".repeat(64)}`,
  "--colour=red",
  "--ipv4",
]

for (const argument of refusedArguments) {
  test(`${argument.slice(0, 40)} is refused by name`, async t => {
    const { code, errors } = await Replay.start(dist, [argument]).end()
    t.is(code, 2)
    t.true(errors.startsWith(`argument ${argument.split("=")[0]} `), errors)
  })
}

const arguments_: [string, string, string][] = [
  ["a value with spaces in double quotes", `--version-text="1 2"`, "version: 1 2"],
  ["a quoted word", `'--version-text=1  2'`, "version: 1  2"],
  ["a backslash", `--version-text=a\\ b\\"`, `version: a b"`],
  ["a boot loader's file name first", `/boot/hello.xen placeholder --version-text=4`, "version: 4"],
]

for (const [name, text, expected] of arguments_) {
  test(`arguments may have ${name}`, async t => {
    const replay = start(t, [`${text} --ipv4=10.0.0.2/24`])
    const c = await new Client(replay, 40000).connect()
    await c.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    t.true(c.received.includes(`\n${expected}\n`), c.received)
  })
}

function withByte(frame: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(frame)
  copy[at]! ^= value
  return copy
}

/** Changes the IPv4 header and makes its checksum right again. */
function reheaded(frame: Buffer, change: (header: Buffer) => void): Buffer {
  const header = frame.subarray(14, 34)
  change(header)
  header.writeUInt16BE(0, 10)
  header.writeUInt16BE(checksum(header), 10)
  return frame
}
