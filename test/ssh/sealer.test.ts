import { createDecipheriv, randomBytes } from "node:crypto"
import { EventEmitter, once } from "node:events"
import { readFileSync } from "node:fs"
import test from "ava"
import fc from "fast-check"
import ssh2, { type Client } from "ssh2"
import { Sealer, sealFrugally } from "../../provider/ssh/sealer.ts"
import { startSshd } from "../helpers/sshd.ts"

const IV_LENGTH = 12

/** ssh2's cipher as far as it matters, and all that was written through it. */
function cipherOfSsh2(bits: 128 | 256, iv: Buffer) {
  const written: Buffer[] = []
  const cipher = {
    outSeqno: 3,
    _encSSLName: `aes-${bits}-gcm` as const,
    _encKey: randomBytes(bits / 8),
    _encIV: Buffer.from(iv),
    _onWrite: (bytes: Buffer): void => void written.push(bytes),
  }
  return { cipher, written }
}

/** What a peer reads (RFC 5647): its payloads, in order. */
function open(name: string, key: Buffer, firstIv: Buffer, bytes: Buffer): Buffer[] {
  const payloads: Buffer[] = []
  let counter = firstIv.readBigUInt64BE(4)
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at)
    const iv = Buffer.from(firstIv)
    iv.writeBigUInt64BE(BigInt.asUintN(64, counter++), 4)
    const decipher = createDecipheriv(name as "aes-128-gcm", key, iv)
    decipher.setAAD(bytes.subarray(at, at + 4))
    decipher.setAuthTag(bytes.subarray(at + 4 + length, at + 4 + length + 16))
    const plain = Buffer.concat([decipher.update(bytes.subarray(at + 4, at + 4 + length)), decipher.final()])
    const padding = plain[0] ?? 0
    if (padding < 4 || length % 16 !== 0) throw new Error(`${padding} bytes of padding, ${length} in all`)
    payloads.push(plain.subarray(1, length - padding))
    at += 4 + length + 16
  }
  return payloads
}

test("packets of any size, sent together, are read by a peer as they were, across a carry of the counter too", t => {
  const size = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 16_000, max: 40_000 }))
  fc.assert(
    fc.property(
      fc.array(size, { minLength: 1, maxLength: 8 }),
      fc.constantFrom(128, 256),
      fc.constantFrom("00000000000000fe", "00000000fffffffd", "fffffffffffffffe"),
      (sizes, bits, count) => {
        const iv = Buffer.concat([randomBytes(4), Buffer.from(count, "hex")])
        t.is(iv.length, IV_LENGTH)
        const { cipher, written } = cipherOfSsh2(bits as 128 | 256, iv)
        const sealer = new Sealer(cipher)
        const payloads = sizes.map(length => randomBytes(length))
        for (const payload of payloads) {
          const packet = sealer.allocPacket(payload.length)
          payload.copy(packet, 5)
          sealer.encrypt(packet)
        }
        // Only now: what was written earlier must have stayed as it was.
        const read = open(cipher._encSSLName, cipher._encKey, iv, Buffer.concat(written))
        t.is(read.length, payloads.length)
        t.true(read.every((payload, index) => payload.equals(payloads[index] ?? Buffer.alloc(0))))
        t.is(sealer.outSeqno, 3 + payloads.length)
      },
    ),
  )
})

test("a small packet may wait while others are sent", t => {
  const iv = randomBytes(IV_LENGTH)
  const { cipher, written } = cipherOfSsh2(128, iv)
  const sealer = new Sealer(cipher)
  const [waiting, other] = [sealer.allocPacket(100), sealer.allocPacket(100)]
  waiting.fill("w", 5, 105)
  other.fill("o", 5, 105)
  for (const packet of [other, waiting]) sealer.encrypt(packet)
  const read = open(cipher._encSSLName, cipher._encKey, iv, Buffer.concat(written))
  t.deepEqual(read.map(String), ["o".repeat(100), "w".repeat(100)])
})

test("after the connection's end nothing is sent", t => {
  const { cipher, written } = cipherOfSsh2(256, randomBytes(IV_LENGTH))
  const sealer = new Sealer(cipher)
  sealer.free()
  sealer.encrypt(sealer.allocPacket(10))
  t.deepEqual(written, [])
})

test("only ssh2's own AES-GCM is taken over, each time keys were exchanged", t => {
  const { cipher } = cipherOfSsh2(128, randomBytes(IV_LENGTH))
  const others = [
    { outSeqno: 1, _encKeyMain: randomBytes(32) },
    { ...cipher, _encSSLName: "aes-128-ctr" },
  ]
  const client = Object.assign(new EventEmitter(), { _protocol: { _cipher: {} as unknown, _decipher: {} } })
  sealFrugally(client as unknown as Client)
  for (const other of others) {
    client._protocol._cipher = other
    client.emit("handshake")
    t.is(client._protocol._cipher, other)
  }
  for (let exchange = 0; exchange < 2; exchange++) {
    client._protocol._cipher = { ...cipher }
    client.emit("handshake")
    t.true(client._protocol._cipher instanceof Sealer)
  }
})

test("the ssh2 that is installed is taken over: what it calls its things has not changed", async t => {
  const sshd = await startSshd()
  const client = new ssh2.Client()
  t.teardown(async () => {
    client.end()
    await sshd.stop()
  })
  sealFrugally(client)
  const ready = once(client, "ready")
  client.connect({
    host: sshd.host,
    port: sshd.port,
    username: sshd.user,
    privateKey: readFileSync(sshd.keyPath),
    algorithms: { cipher: ["aes128-gcm@openssh.com"] },
    hostVerifier: () => true,
  })
  await ready
  t.true((client as unknown as { _protocol: { _cipher: unknown } })._protocol._cipher instanceof Sealer)
})
