import test, { type ExecutionContext } from "ava"
import fc from "fast-check"
import { make, newFolder, removeFolder } from "./support/build.ts"
import { ACK, DISCOVER, fromClient, fromServer, type Message, NAK, OFFER, REQUEST } from "./support/dhcp.ts"
import { icmpEcho, octets } from "./support/packets.ts"
import { Replay } from "./support/replay.ts"

const second = 1_000_000
const address = "10.0.0.77"
let dist: string

test.before(async () => {
  dist = await newFolder()
  await make("posix", dist)
})

test.after.always(() => removeFolder(dist))

/** A client without an address, and the server that answers it as it is told. */
class Network {
  readonly replay = Replay.start(dist, [])
  transaction = 0

  constructor(t: ExecutionContext) {
    t.teardown(async () => {
      await this.replay.end()
    })
  }

  /** What the client says when so much time has passed. */
  async wait(microseconds: number): Promise<Message[]> {
    return this.take(await this.replay.wait(microseconds))
  }

  /** What the client says to a server's message. */
  async say(kind: number, fields: Partial<Message> = {}): Promise<Message[]> {
    const lease = Buffer.from([0, 0, 0x0e, 0x10])
    const options = { 1: octets("255.255.255.0"), 3: octets("10.0.0.1"), 51: lease, 54: octets("10.0.0.1") }
    const { transaction } = this
    const message = { kind, transaction, client: "0.0.0.0", yours: address, options, ...fields }
    return this.take(await this.replay.send(fromServer(message)))
  }

  take(frames: Buffer[]): Message[] {
    const messages = frames.flatMap(frame => fromClient(frame) ?? [])
    if (messages[0]) this.transaction = messages[0].transaction
    return messages
  }

  /** Whether a ping to the address is answered. */
  async answers(): Promise<boolean> {
    return (await this.replay.send(icmpEcho(Buffer.alloc(8), { from: "10.0.0.1", to: address }))).length > 0
  }

  /** Discover, offer, request, acknowledgement. */
  async lease(): Promise<void> {
    await this.wait(0)
    await this.say(OFFER)
    await this.say(ACK)
  }
}

const kinds = (messages: Message[]) => messages.map(({ kind }) => kind)

test("it asks for an address, requests what is offered of the server that offered it, and then answers", async t => {
  const network = new Network(t)
  t.deepEqual(kinds(await network.wait(0)), [DISCOVER])
  const [request] = await network.say(OFFER)
  t.is(request!.kind, REQUEST)
  t.deepEqual(request!.options[50], octets(address))
  t.deepEqual(request!.options[54], octets("10.0.0.1"))
  t.false(await network.answers())
  t.deepEqual(await network.say(ACK), [])
  t.true(await network.answers())
})

test("without an answer it asks again, each time after a longer while, and never stops", async t => {
  const network = new Network(t)
  await network.wait(0)
  const counts: number[] = []
  for (let minute = 0; minute < 5; minute++) counts.push((await network.wait(60 * second)).length)
  t.true(counts[0]! >= 5 && counts[0]! <= 10, `${counts}`)
  t.true(
    counts.slice(1).every(count => count >= 3 && count <= 5),
    `${counts}`,
  )
})

test("when the server that offered does not answer any more, it looks for another", async t => {
  const network = new Network(t)
  await network.wait(0)
  await network.say(OFFER)
  const said = kinds(await network.wait(60 * second))
  t.true(said.length >= 4 && said.every(kind => kind === DISCOVER), `${said}`)
  t.deepEqual(kinds(await network.say(OFFER)), [REQUEST])
})

test("an offer that is refused after all is given up, and it asks anew", async t => {
  const network = new Network(t)
  await network.wait(0)
  await network.say(OFFER)
  t.deepEqual(await network.say(NAK), [])
  t.is(kinds(await network.wait(2 * second))[0], DISCOVER)
  t.deepEqual(kinds(await network.say(OFFER)), [REQUEST])
})

test("half through its lease it asks anew, answers meanwhile, and keeps the address that it is offered again", async t => {
  const network = new Network(t)
  await network.lease()
  t.deepEqual(await network.wait(1790 * second), [])
  t.deepEqual(kinds(await network.wait(12 * second)), [DISCOVER])
  const [request] = await network.say(OFFER)
  t.deepEqual([request!.kind, request!.options[50]], [REQUEST, octets(address)])
  t.true(await network.answers())
  t.deepEqual(await network.say(ACK), [])
  t.deepEqual(await network.wait(1790 * second), [])
  t.true(await network.answers())
})

test("it keeps asking while the lease lasts; when it has ended it gives the address up and looks anew", async t => {
  const network = new Network(t)
  await network.lease()
  const said = kinds(await network.wait(3590 * second))
  t.true(said.length > 50 && said.every(kind => kind === DISCOVER), `${said}`)
  t.true(await network.answers())
  t.is(kinds(await network.wait(30 * second)).at(-1), DISCOVER)
  t.false(await network.answers())
})

const strange: [string, Partial<Message>][] = [
  ["of another transaction", { transaction: 1 }],
  ["of no address", { yours: "0.0.0.0" }],
  ["of a group's address", { yours: "224.0.0.1" }],
]

for (const [what, fields] of strange) {
  test(`an offer ${what} is passed over`, async t => {
    const network = new Network(t)
    await network.wait(0)
    t.deepEqual(await network.say(OFFER, fields), [])
    t.deepEqual(kinds(await network.say(OFFER)), [REQUEST])
  })
}

test("an acknowledgement of another address than was offered is passed over", async t => {
  const network = new Network(t)
  await network.wait(0)
  await network.say(OFFER)
  await network.say(ACK, { yours: "10.0.0.78" })
  t.false(await network.answers())
})

/** Options that are nearly right: a kind or a time that matters, or a code with any length and any bytes. */
const option = fc.oneof(
  fc.constantFrom(OFFER, ACK, NAK).map(kind => Buffer.from([53, 1, kind])),
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map(lease => Buffer.from([51, 4, ...lease])),
  fc
    .tuple(fc.nat(255), fc.nat(9), fc.uint8Array({ maxLength: 6 }))
    .map(([code, length, bytes]) => Buffer.from([code, length, ...bytes])),
)
const options = fc.array(option, { maxLength: 20 }).map(list => Buffer.concat(list))

test("no generated options of a server make it touch wrong memory or end", async t => {
  const property = fc.asyncProperty(fc.array(options, { maxLength: 20 }), async answers => {
    const replay = Replay.start(dist, [])
    const [discover] = (await replay.wait(0)).flatMap(frame => fromClient(frame) ?? [])
    const message = { ...discover!, client: "0.0.0.0", yours: address, options: {} }
    await replay.play(answers.map(raw => ({ frame: fromServer(message, raw), after: second })))
    await replay.wait(2 ** 32 - 1)
    const { code, errors } = await replay.end()
    if (code !== 0) throw new Error(errors)
  })
  await t.notThrowsAsync(async () => fc.assert(property, { numRuns: 300 }))
})
