import type { Command } from "../ssh/command.ts"
import {
  claimContent,
  contentPath,
  type Finding,
  lookAtContent,
  parseFinding,
  releaseContent,
} from "./contentStore.ts"
import { RECORDS } from "./records.ts"

export { parseRelease } from "./contentStore.ts"

/** Everything that the project keeps on a host. */
export const storeDirectory = RECORDS

/** A kernel lies in the store under the SHA-256 of its unpacked image. `digest` is 64 hexadecimal digits. */
export const kernelPath = (digest: string): string => contentPath("kernels", digest)

/** Answers `missing`, or the file's SHA-256. */
export const lookAtKernel = (digest: string): Command => lookAtContent("kernels", digest)

export type KernelFinding = Finding
export const parseKernelFinding = parseFinding

/** Domains' kernels are no secret, and xl must be able to read them. */
export const claimKernel = (digest: string, urn: string): Command =>
  claimContent("kernels", 0o755, digest, urn)

/** Gives a kernel up: it is removed unless something else uses it. */
export const releaseKernel = (digest: string, urn: string): Command => releaseContent("kernels", digest, urn)
