import type { BootKind } from "./kernel.ts"
import * as pulumi from "./pulumi.ts"

export interface InspectKernelArgs {
  /** The kernel: a file, an https address, or a Pulumi asset; packed with gzip, bzip2, xz or zstd if it likes. */
  source: string | pulumi.asset.Asset
  /** SHA-256 that the kernel must have, as it is published or unpacked; an https address needs it. */
  sha256?: string
}

export interface InspectKernelResult {
  /** SHA-256 of the unpacked image: the kernel's identity. */
  readonly digest: string
  /** Bytes of the unpacked image. */
  readonly size: number
  /** Ways in which Xen can start it. */
  readonly kinds: BootKind[]
  /** Processor it is for. */
  readonly machine: "x86_64" | "x86_32"
  /** Xen's ELF notes by name, without XEN_ELFNOTE_. */
  readonly notes: { readonly [name: string]: string }
}

/** Looks at a kernel on this machine, without a host. */
export function inspectKernel(
  args: InspectKernelArgs,
  options?: pulumi.InvokeOptions,
): Promise<InspectKernelResult> {
  return pulumi.runtime.invoke("xen:index:inspectKernel", { ...args }, options)
}

/** The same for a source that another resource makes. */
export function inspectKernelOutput(
  args: pulumi.Inputs & { source: pulumi.Input<InspectKernelArgs["source"]>; sha256?: pulumi.Input<string> },
  options?: pulumi.InvokeOutputOptions,
): pulumi.Output<InspectKernelResult> {
  return pulumi.runtime.invokeOutput("xen:index:inspectKernel", { ...args }, options)
}
