/** The text is no OpenPGP public key. */
export class KeyFormatError extends Error {
  override readonly name: string = "KeyFormatError"
}

const BEGIN = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
const END = "-----END PGP PUBLIC KEY BLOCK-----"

/**
 * The bytes of each public key block of a text (RFC 9580, section 6.2). Programs differ in what they make of armour
 * that is not quite as it should be, and here there is nothing to guess: it is refused.
 *
 * @throws KeyFormatError where there is no block, or one that is not whole
 */
export function dearmour(text: string): Buffer[] {
  const [, ...blocks] = text.split(BEGIN)
  if (blocks.length === 0) throw new KeyFormatError("it has no PGP PUBLIC KEY BLOCK")
  return blocks.map(bytesOf)
}

function bytesOf(block: string): Buffer {
  const end = block.indexOf(END)
  if (end < 0) throw new KeyFormatError("its block has no end")
  const [first, ...lines] = block
    .slice(0, end)
    .split("\n")
    .map(line => line.trim())
  // Headers end at the first empty line; the checksum line begins with "=".
  const empty = lines.indexOf("")
  if (first !== "" || empty < 0) throw new KeyFormatError("its block has no empty line before the key")
  const body = lines.slice(empty).filter(line => line !== "")
  if (/^=[A-Za-z0-9+/]{4}$/.test(body.at(-1) ?? "")) body.pop()
  const base64 = body.join("")
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64) || base64.length % 4 !== 0)
    throw new KeyFormatError("its block is no base64")
  return Buffer.from(base64, "base64")
}

/** The armour that gpg gives these bytes, with the checksum that older rpm asks for. */
export function armour(bytes: Buffer): string {
  const checksum = Buffer.from([16, 8, 0].map(shift => (crc24(bytes) >> shift) & 0xff))
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? []
  return [BEGIN, "", ...lines, `=${checksum.toString("base64")}`, END, ""].join("\n")
}

/** RFC 9580, section 6.1.1. */
function crc24(bytes: Uint8Array): number {
  let crc = 0xb704ce
  for (const byte of bytes) {
    crc ^= byte << 16
    for (let bit = 0; bit < 8; bit++) {
      crc <<= 1
      if (crc & 0x1000000) crc ^= 0x1864cfb
    }
  }
  return crc
}
