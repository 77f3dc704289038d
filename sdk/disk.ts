import { readdirSync } from "node:fs"
import { join, sep } from "node:path"
import { type ConnectionArgs, sealConnection } from "./connection.ts"
import * as pulumi from "./pulumi.ts"

/** An empty disk that outlives its domains. */
export interface VolumeArgs {
  /** Its name. */
  name: pulumi.Input<string>
  /** LVM's volume group. Default: the volume is a file of the host's store. */
  group?: pulumi.Input<string>
}

export interface DiskArgs {
  /** How the host is reached over SSH. */
  connection: pulumi.Input<ConnectionArgs>
  /** What is in the image: path -> text, or an asset of a file. */
  files?: pulumi.Input<{ [path: string]: pulumi.Input<string | pulumi.asset.Asset> }>
  /** The same for what nobody may read, such as a TLS key; encrypted in the state. */
  secrets?: pulumi.Input<{ [path: string]: pulumi.Input<string> }>
  /** `fat` (default): a FAT file system; `raw`: the bytes of the one file. */
  format?: pulumi.Input<"fat" | "raw">
  /** A whole image in the place of files: a file, an https address, or an asset; packed or not. */
  source?: pulumi.Input<string | pulumi.asset.Asset>
  /** SHA-256 that the source must have. Alone it means an image that the host has already. */
  sha256?: pulumi.Input<string>
  /** MiB: of an image at least, by default what its files need; of a volume its size, which may grow. */
  size?: pulumi.Input<number>
  /** An empty disk that outlives its domains, in the place of an image. */
  volume?: pulumi.Input<VolumeArgs>
  /** What a volume's deletion does: `keep` it on the host (default), `refuse`, or `remove` it with what is in it. */
  onDelete?: pulumi.Input<"keep" | "refuse" | "remove">
}

/**
 * A disk for domains: an image made from files and secrets, which lies on the host under its SHA-256, or a volume, which
 * begins empty and outlives its domains. Another content is another image, and a new generation of the domain.
 */
export class Disk extends pulumi.CustomResource {
  /** The disk on the host, for a domain's `disks`. */
  declare readonly path: pulumi.Output<string>
  /** SHA-256 of an image; `undefined` for a volume. */
  declare readonly digest: pulumi.Output<string | undefined>
  /** Its size. */
  declare readonly bytes: pulumi.Output<number>
  /** Whether an image on the host still has its digest. */
  declare readonly integrity: pulumi.Output<"intact" | "altered">

  constructor(name: string, args: DiskArgs, options?: pulumi.CustomResourceOptions) {
    const inputs = {
      connection: sealConnection(args?.connection),
      files: args?.files,
      secrets: args?.secrets === undefined ? undefined : pulumi.secret(args.secrets),
      format: args?.format,
      source: args?.source,
      sha256: args?.sha256,
      size: args?.size,
      volume: args?.volume,
      onDelete: args?.onDelete,
    }
    const outputs = { path: undefined, digest: undefined, bytes: undefined, integrity: undefined }
    super("xen:index:Disk", name, { ...inputs, ...outputs }, options)
  }
}

/** Every file below a folder, as a disk's `files`: `filesOf("site")` gives `index.html`, `css/main.css`, … */
export function filesOf(folder: string): { [path: string]: pulumi.asset.FileAsset } {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  return Object.fromEntries(
    paths.map(path => [
      path.slice(join(folder, "/").length).split(sep).join("/"),
      new pulumi.asset.FileAsset(path),
    ]),
  )
}
