import { homedir } from "node:os"
import { join } from "node:path"

/**
 * Where the lab keeps what it builds and runs: `$PULUMI_XEN_CACHE`, else `pulumi-xen` under `$XDG_CACHE_HOME`,
 * else `~/.cache/pulumi-xen`. All of it can be deleted while no lab runs; it is built again when needed.
 */
export function cacheDirectory(): string {
  const base = process.env.XDG_CACHE_HOME || join(homedir(), ".cache")
  return process.env.PULUMI_XEN_CACHE || join(base, "pulumi-xen")
}

/** Finished disks, one directory a recipe: `images/<flavour>-<hash>/`. */
export const imagesDirectory = () => join(cacheDirectory(), "images")

/** Machines, one directory a lab: its record, overlay disk, keys, console log and sockets. */
export const labsDirectory = () => join(cacheDirectory(), "labs")

/** What the guests downloaded, by upstream and path. */
export const packagesDirectory = () => join(cacheDirectory(), "packages")

/** Lock files: kept for ever, since a lock file that is removed can be held twice. */
export const locksDirectory = () => join(cacheDirectory(), "locks")
