/** Frames as bytes: enough of Ethernet, ARP, IPv4, ICMP and TCP to speak with a network stack by hand. */

export const serverMac = Buffer.from("00163e000002", "hex")
export const clientMac = Buffer.from("020000000001", "hex")
export const serverAddress = "10.0.0.2"
export const clientAddress = "10.0.0.1"

export const FIN = 1
export const SYN = 2
export const RST = 4
export const PSH = 8
export const ACK = 16

export type Segment = {
  sourcePort: number
  destinationPort: number
  seq: number
  ack: number
  flags: number
  window: number
  options?: Buffer
  data: Buffer
}

export type Addresses = { from: string; to: string }

const inward: Addresses = { from: clientAddress, to: serverAddress }
export const octets = (address: string) => Buffer.from(address.split(".").map(Number))
export const uint16 = (value: number) => Buffer.from([(value >> 8) & 255, value & 255])

/** The Internet checksum, RFC 1071: 0 over bytes that hold their own. */
export function checksum(data: Buffer): number {
  let sum = 0
  for (let i = 0; i < data.length; i += 2) sum += (data[i]! << 8) | (data[i + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

export function ethernet(type: number, payload: Buffer, to: Buffer = serverMac): Buffer {
  return Buffer.concat([to, clientMac, uint16(type), payload])
}

export function ipv4(protocol: number, payload: Buffer, { from, to }: Addresses = inward): Buffer {
  const header = Buffer.alloc(20)
  header.writeUInt8(0x45, 0)
  header.writeUInt16BE(20 + payload.length, 2)
  header.writeUInt8(64, 8)
  header.writeUInt8(protocol, 9)
  octets(from).copy(header, 12)
  octets(to).copy(header, 16)
  header.writeUInt16BE(checksum(header), 10)
  return ethernet(0x0800, Buffer.concat([header, payload]))
}

export function tcp(segment: Segment, addresses: Addresses = inward): Buffer {
  const options = segment.options ?? Buffer.alloc(0)
  const bytes = Buffer.concat([Buffer.alloc(20), options, segment.data])
  bytes.writeUInt16BE(segment.sourcePort, 0)
  bytes.writeUInt16BE(segment.destinationPort, 2)
  bytes.writeUInt32BE(segment.seq >>> 0, 4)
  bytes.writeUInt32BE(segment.ack >>> 0, 8)
  bytes.writeUInt8(((20 + options.length) / 4) << 4, 12)
  bytes.writeUInt8(segment.flags, 13)
  bytes.writeUInt16BE(segment.window, 14)
  bytes.writeUInt16BE(checksum(Buffer.concat([pseudoHeader(addresses, 6, bytes.length), bytes])), 16)
  return ipv4(6, bytes, addresses)
}

export function arp(operation: 1 | 2, fields: { from: string; to: string; fromMac?: Buffer }): Buffer {
  const head = Buffer.from([0, 1, 8, 0, 6, 4, 0, operation])
  const parts = [head, fields.fromMac ?? clientMac, octets(fields.from), Buffer.alloc(6), octets(fields.to)]
  return ethernet(0x0806, Buffer.concat(parts), Buffer.alloc(6, 0xff))
}

export function icmpEcho(payload: Buffer, addresses: Addresses = inward): Buffer {
  const message = Buffer.concat([Buffer.from([8, 0, 0, 0, 0x12, 0x34, 0, 1]), payload])
  message.writeUInt16BE(checksum(message), 2)
  return ipv4(1, message, addresses)
}

/** What is wrong with a frame that a stack sent; undefined if every length and checksum in it is right. */
export function flaw(frame: Buffer): string | undefined {
  if (frame.length < 14 || frame.length > 1514) return `a frame of ${frame.length} bytes`
  if (!frame.subarray(6, 12).equals(serverMac)) return "not from its own address"
  const type = frame.readUInt16BE(12)
  if (type === 0x0806) return frame.length === 42 ? undefined : `ARP in ${frame.length} bytes`
  if (type !== 0x0800) return `unknown protocol ${type.toString(16)}`
  if (frame.readUInt16BE(16) !== frame.length - 14) return "IPv4 length"
  if (checksum(frame.subarray(14, 34)) !== 0) return "IPv4 checksum"
  const payload = frame.subarray(34)
  if (frame[23] === 1) return checksum(payload) === 0 ? undefined : "ICMP checksum"
  const addresses = { from: [...frame.subarray(26, 30)].join("."), to: [...frame.subarray(30, 34)].join(".") }
  const whole = Buffer.concat([pseudoHeader(addresses, frame[23]!, payload.length), payload])
  return checksum(whole) === 0 ? undefined : "TCP or UDP checksum"
}

/** The TCP segment in a frame; undefined if there is none. */
export function parseTcp(frame: Buffer): Segment | undefined {
  if (frame.readUInt16BE(12) !== 0x0800 || frame[23] !== 6) return undefined
  const segment = frame.subarray(34)
  const offset = (segment[12]! >> 4) * 4
  return {
    sourcePort: segment.readUInt16BE(0),
    destinationPort: segment.readUInt16BE(2),
    seq: segment.readUInt32BE(4),
    ack: segment.readUInt32BE(8),
    flags: segment[13]!,
    window: segment.readUInt16BE(14),
    options: segment.subarray(20, offset),
    data: segment.subarray(offset),
  }
}

export function pseudoHeader({ from, to }: Addresses, protocol: number, length: number): Buffer {
  return Buffer.concat([octets(from), octets(to), Buffer.from([0, protocol]), uint16(length)])
}
