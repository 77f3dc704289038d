import {
  asset,
  choice,
  either,
  type Fields,
  incidental,
  integer,
  type Known,
  madeFrom,
  map,
  object,
  optional,
  replaces,
  secret,
  text,
  withDefault,
} from "../rpc/declare.ts"
import { connection } from "./connection.ts"

export const digestRule = { pattern: /[0-9a-fA-F]{64}/, says: "a SHA-256 in 64 hexadecimal digits" }
// lvm(8) takes more, but not a hyphen at the start; a file's name is held to the same.
export const volumeName = {
  pattern: /[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,62}/,
  says: "a volume's name: at most 63 letters, digits and + _ . - and no hyphen at its start",
}

/** What a program says of a disk. */
export const inputs = {
  connection,
  files: optional(
    incidental(
      map(
        "what is in the image: path -> text, or an asset of a file",
        either("a file's content", text("text"), asset("asset")),
      ),
    ),
  ),
  secrets: optional(
    incidental(secret(map("the same for what nobody may read, such as a TLS key", text("content")))),
  ),
  format: withDefault(
    incidental(choice("fat: a FAT file system; raw: the bytes of the one file", ["fat", "raw"])),
    "fat",
  ),
  source: optional(
    incidental(
      either(
        "a whole image in the place of files: a file, an https address, or an asset; packed with gzip, bzip2, xz or zstd if it likes",
        text("file or https address", { pattern: /[^\0\r\n]+/, says: "a path or an address on one line" }),
        asset("asset"),
      ),
    ),
  ),
  sha256: optional(
    replaces(
      madeFrom(
        [],
        text(
          "SHA-256 that the source must have; an https address needs it, and alone it means an image that the host has already",
          digestRule,
        ),
      ),
    ),
  ),
  size: optional(
    integer("MiB; for an image at least, and by default what its files need; for a volume its size", {
      min: 1,
      max: 64 * 1024 * 1024,
    }),
  ),
  volume: optional(
    object("an empty disk that outlives its domains, in the place of an image", "Volume", {
      name: replaces(text("its name", volumeName)),
      group: optional(
        replaces(text("LVM's volume group; by default the volume is a file of the store", volumeName)),
      ),
    }),
  ),
  onDelete: withDefault(
    incidental(
      choice("what a volume's deletion does: keep it on the host, refuse, or remove it with what is in it", [
        "keep",
        "refuse",
        "remove",
      ]),
    ),
    "keep",
  ),
} as const satisfies Fields

// A path and a digest stand in a domain's configuration; what they are made from stays secret.
export const outputs = {
  path: madeFrom([], text("the disk on the host, for a domain's disks")),
  digest: madeFrom([], optional(text("SHA-256 of an image; absent for a volume"))),
  bytes: madeFrom([], integer("its size in bytes")),
  integrity: madeFrom([], choice("whether an image still has its digest", ["intact", "altered"])),
} as const satisfies Fields

export type Inputs = Known<typeof inputs>
export type Outputs = Known<typeof outputs>
