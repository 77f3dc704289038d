import { type ConnectionArgs, sealConnection } from "./connection.ts"
import * as pulumi from "./pulumi.ts"

/** A way in which Xen can start a kernel. */
export type BootKind = "pv" | "pvh" | "multiboot1" | "linux"

export interface KernelArgs {
  /** How the host is reached over SSH. */
  connection: pulumi.Input<ConnectionArgs>
  /** The kernel: a file, an https address, or a Pulumi asset; packed with gzip, bzip2, xz or zstd if it likes. */
  source?: pulumi.Input<string | pulumi.asset.Asset>
  /**
   * SHA-256 that the kernel must have, as it is published or unpacked. An https address needs it, and alone it means a
   * kernel that the host has already.
   */
  sha256?: pulumi.Input<string>
}

/**
 * A unikernel's image in the store of a Xen host, under its SHA-256. The same image from another file, or packed
 * otherwise, is the same kernel; another image is a new kernel beside the old one.
 */
export class Kernel extends pulumi.CustomResource {
  /** SHA-256 of the unpacked image: the kernel's identity. */
  declare readonly digest: pulumi.Output<string>
  /** Bytes of the unpacked image; `undefined` for one that was only found on the host. */
  declare readonly size: pulumi.Output<number | undefined>
  /** Ways in which Xen can start it; `undefined` for one that was only found on the host. */
  declare readonly kinds: pulumi.Output<BootKind[] | undefined>
  /** The kernel's file on the host, for an xl configuration's `kernel=`. */
  declare readonly path: pulumi.Output<string>
  /** Whether the file on the host still has its digest. */
  declare readonly integrity: pulumi.Output<"intact" | "altered">

  constructor(name: string, args: KernelArgs, options?: pulumi.CustomResourceOptions) {
    const inputs = {
      connection: sealConnection(args?.connection),
      source: args?.source,
      sha256: args?.sha256,
    }
    const outputs = {
      digest: undefined,
      size: undefined,
      kinds: undefined,
      path: undefined,
      integrity: undefined,
    }
    super("xen:index:Kernel", name, { ...inputs, ...outputs }, options)
  }
}
