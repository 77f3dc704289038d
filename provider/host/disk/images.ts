import type { Command } from "../../ssh/command.ts"
import { claimContent, contentPath, lookAtContent, releaseContent } from "../contentStore.ts"

/** A disk's image lies in the store under its SHA-256. */
export const diskPath = (digest: string): string => contentPath("disks", digest)

/** Images hold private keys: neither they nor their folder are for others to read. */
export const IMAGE_MODE = 0o600

/** Answers `missing`, or the file's SHA-256. */
export const lookAtDisk = (digest: string): Command => lookAtContent("disks", digest)

export const claimDisk = (digest: string, urn: string): Command => claimContent("disks", 0o700, digest, urn)

/** Gives an image up: it is removed unless something else uses it. */
export const releaseDisk = (digest: string, urn: string): Command => releaseContent("disks", digest, urn)
