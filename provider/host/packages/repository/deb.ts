import { gunzipSync, zstdDecompressSync } from "node:zlib"
import xz from "xz-decompress"
import { PackageFormatError, type ReadPart } from "./packageFile.ts"

/** A control file of a few lines; what claims to be larger is none. */
const MAX_CONTROL = 16 * 1024 * 1024

/**
 * The control paragraph of a Debian package, without an empty line at its end (deb(5): an ar archive of
 * `debian-binary`, `control.tar…`, `data.tar…`; deb-control(5)).
 */
export async function readDeb(part: ReadPart, size: number): Promise<string> {
  if ((await part(0, 8)).toString("latin1") !== "!<arch>\n")
    throw new PackageFormatError("it is no Debian package: it does not begin as an ar archive")
  for (let at = 8; at < size; ) {
    const header = (await part(at, 60)).toString("latin1")
    const name = header.slice(0, 16).replace(/\/?\s*$/, "")
    const length = Number(header.slice(48, 58))
    if (!header.endsWith("`\n") || !Number.isInteger(length))
      throw new PackageFormatError("its ar archive is damaged")
    if (name.startsWith("control.tar")) {
      if (length > MAX_CONTROL) throw new PackageFormatError("its control archive is too large to be one")
      return controlOf(await unpacked(name, await part(at + 60, length)))
    }
    // Members begin at even offsets.
    at += 60 + length + (length % 2)
  }
  throw new PackageFormatError("it has no control archive")
}

async function unpacked(name: string, bytes: Buffer): Promise<Buffer> {
  try {
    switch (name.slice("control.tar".length)) {
      case "":
        return bytes
      case ".gz":
        return gunzipSync(bytes, { maxOutputLength: MAX_CONTROL })
      case ".zst":
        return zstdDecompressSync(bytes, { maxOutputLength: MAX_CONTROL })
      case ".xz":
        return await unpackedXz(bytes)
    }
  } catch (error) {
    throw new PackageFormatError(`its ${name} does not unpack (${(error as Error).message})`)
  }
  throw new PackageFormatError(`its ${name} is packed in a way that is not known`)
}

async function unpackedXz(bytes: Buffer): Promise<Buffer> {
  const packed = new Blob([new Uint8Array(bytes)]).stream()
  return Buffer.from(await new Response(new xz.XzReadableStream(packed)).arrayBuffer())
}

/** The file `control` of a tar archive (POSIX ustar: blocks of 512 bytes, sizes in octal). */
function controlOf(tar: Buffer): string {
  for (let at = 0; at + 512 <= tar.length; ) {
    const name = tar.toString("latin1", at, at + 100).replace(/\0.*$/s, "")
    const length = Number.parseInt(tar.toString("latin1", at + 124, at + 136), 8) || 0
    if (name.replace(/^\.\//, "") === "control") {
      const text = tar.toString("utf8", at + 512, at + 512 + length).trimEnd()
      if (!/^Package: \S/m.test(text)) throw new PackageFormatError("its control file names no package")
      return text
    }
    at += 512 + Math.ceil(length / 512) * 512
  }
  throw new PackageFormatError("its control archive has no control file")
}
