import { checksum, ethernet, octets, pseudoHeader, serverMac, uint16 } from "./packets.ts"

export const DISCOVER = 1
export const OFFER = 2
export const REQUEST = 3
export const ACK = 5
export const NAK = 6

/** What of a DHCP message matters here; addresses are dotted, "0.0.0.0" for none. */
export type Message = {
  kind: number
  transaction: number
  /** ciaddr and yiaddr. */
  client: string
  yours: string
  /** Options other than the kind (53), by code. */
  options: Record<number, Buffer>
}

const cookie = Buffer.from("63825363", "hex")
const dotted = (bytes: Buffer) => [...bytes].join(".")

/** A server's message to everyone, as a frame; `raw` bytes may stand in place of its options. */
export function fromServer({ kind, transaction, client, yours, options }: Message, raw?: Buffer): Buffer {
  const message = Buffer.alloc(236)
  message.set([2, 1, 6, 0])
  message.writeUInt32BE(transaction >>> 0, 4)
  message.set(octets(client), 12)
  message.set(octets(yours), 16)
  message.set(serverMac, 28)
  const all = Object.entries({ ...options, 53: Buffer.from([kind]) })
  const coded = all.map(([code, value]) => Buffer.concat([Buffer.from([Number(code), value.length]), value]))
  const payload = Buffer.concat([message, cookie, raw ?? Buffer.concat([...coded, Buffer.from([255])])])
  const udp = Buffer.concat([uint16(67), uint16(68), uint16(8 + payload.length), uint16(0), payload])
  const header = Buffer.alloc(20)
  header.set([0x45, 0, ...uint16(20 + udp.length), 0, 0, 0, 0, 64, 17])
  header.set([...octets("10.0.0.1"), 255, 255, 255, 255], 12)
  header.writeUInt16BE(checksum(header), 10)
  return ethernet(0x0800, Buffer.concat([header, udp]), Buffer.alloc(6, 0xff))
}

/** The client's message in a frame; undefined if there is none, or if anything in it is wrong. */
export function fromClient(frame: Buffer): Message | undefined {
  if (frame.readUInt16BE(12) !== 0x0800 || frame[23] !== 17) return undefined
  const addresses = { from: dotted(frame.subarray(26, 30)), to: dotted(frame.subarray(30, 34)) }
  const udp = frame.subarray(34)
  if (checksum(Buffer.concat([pseudoHeader(addresses, 17, udp.length), udp])) !== 0) return undefined
  const message = udp.subarray(8)
  if (message[0] !== 1 || !message.subarray(28, 34).equals(serverMac)) return undefined
  if (!message.subarray(236, 240).equals(cookie)) return undefined
  const options: Record<number, Buffer> = {}
  for (let at = 240; message[at] !== 255; at += 2 + message[at + 1]!) {
    options[message[at]!] = message.subarray(at + 2, at + 2 + message[at + 1]!)
  }
  const { 53: kind, ...others } = options
  return {
    kind: kind![0]!,
    transaction: message.readUInt32BE(4),
    client: dotted(message.subarray(12, 16)),
    yours: dotted(message.subarray(16, 20)),
    options: others,
  }
}
