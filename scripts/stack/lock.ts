import { readdir, readFile, rm } from "node:fs/promises"
import { hostname } from "node:os"
import { join } from "node:path"

/**
 * Takes the locks of a local state away whose pulumi was killed: what `pulumi cancel` does, but never under one that runs.
 * (pkg/backend/diy/lock.go of Pulumi writes a file a lock, with the process that holds it.)
 */
export async function releaseDeadLocks(state: string): Promise<void> {
  const folder = join(state, ".pulumi/locks")
  const names = await readdir(folder, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return []
    throw error
  })
  for (const name of names.filter(name => name.endsWith(".json"))) {
    const path = join(folder, name)
    const { pid, hostname: holder } = JSON.parse(await readFile(path, "utf8")) as {
      pid: number
      hostname: string
    }
    if (holder === hostname() && !isRunning(pid)) await rm(path)
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it runs, as somebody else.
    return (error as NodeJS.ErrnoException).code !== "ESRCH"
  }
}
