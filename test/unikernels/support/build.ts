import { execFile } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"

const run = promisify(execFile)

/** Where the source of the unikernel is. */
export const helloSource = join(import.meta.dirname, "../../../unikernels/hello")

/** `make TARGET DIST=dist NAME=value…` in a folder that holds the unikernel's source. */
export async function make(
  target: "all" | "posix",
  dist: string,
  variables: Record<string, string> = {},
  folder: string = helloSource,
): Promise<void> {
  const assignments = Object.entries({ DIST: dist, ...variables }).map(([name, value]) => `${name}=${value}`)
  await run("make", ["--silent", "-C", folder, target, ...assignments])
}

/** A fresh folder under the system's temporary one. */
export const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), "hello-"))

export const removeFolder = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true })

/** A fresh folder that is gone when the test is over. */
export async function temporaryFolder(t: { teardown(done: () => Promise<void>): void }): Promise<string> {
  const folder = await newFolder()
  t.teardown(() => removeFolder(folder))
  return folder
}
