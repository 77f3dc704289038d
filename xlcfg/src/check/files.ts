import { type KeyName, keyOf, keys } from "../keys/table.ts"
import type { Reading } from "./reading.ts"

/** Says whether a path is there on the host; `undefined` where it cannot be known. */
export type FileLookup = (path: string) => boolean | undefined

/** Looks for the files that a configuration names: kernel, ramdisk, firmware, and disks without a script. */
export function checkFiles(reading: Reading, exists: FileLookup): void {
  for (const name of Object.keys(keys) as KeyName[]) {
    if (!keyOf(name).type.isFile) continue
    const path = reading.get(name)
    if (typeof path === "string" && exists(path) === false)
      reading.report(name, {
        code: "missing-file",
        message: `${path} does not exist`,
        remedy: "create it, or correct the path",
      })
  }
  for (const [index, disk] of reading.disks) {
    // With a script the target is the script's own business, with another domain as backend that domain's.
    if (!disk.target || disk.script || disk.backend) continue
    const path = disk.target.startsWith("/") ? disk.target : `/dev/${disk.target}`
    if (exists(path) === false)
      reading.report("disk", {
        code: "missing-file",
        path: [index],
        message: `${path} does not exist`,
        remedy: "create it, or correct the target",
      })
  }
}
