import { spawn } from "node:child_process"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import type { Socket } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { LabError } from "./errors.ts"
import { locksDirectory } from "./paths.ts"

/** A held lock; `await using` lets it go. */
export type Lock = AsyncDisposable

/**
 * Takes the lock `name`, waiting for as long as another process holds it; `waiting` is then told who that is.
 *
 * The lock is flock(1)'s on a child whose standard input is our pipe: when this process ends, even by
 * kill -9, the pipe closes, the child ends and the kernel frees the lock. So no lock can become stale.
 */
export async function lock(name: string, waiting: (holder: string) => void): Promise<Lock> {
  await mkdir(locksDirectory(), { recursive: true })
  const file = join(locksDirectory(), `${name}.lock`)
  const held = (await flock(file, ["--nonblock"])) ?? (await waitFor(file, waiting))
  await writeFile(file, `process ${process.pid}`)
  return held
}

/** Takes whichever of the locks is free, or the first that gets free; how often it asks, in ms, is `every`. */
export async function lockOneOf(names: readonly string[], every = 1000): Promise<Lock> {
  await mkdir(locksDirectory(), { recursive: true })
  for (;;) {
    for (const name of names) {
      const held = await flock(join(locksDirectory(), `${name}.lock`), ["--nonblock"])
      if (held) return held
    }
    await sleep(every)
  }
}

async function waitFor(file: string, waiting: (holder: string) => void): Promise<Lock> {
  waiting(await readFile(file, "utf8"))
  const held = await flock(file, [])
  if (!held) throw new LabError(`lock ${file}`, "flock gave up", "Run it again")
  return held
}

async function flock(file: string, flags: string[]): Promise<Lock | undefined> {
  const child = spawn("flock", [...flags, "--exclusive", file, "sh", "-c", "echo held; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  })
  const ended = new Promise<undefined>((resolve, reject) => {
    child.once("error", reject)
    child.once("close", () => resolve(undefined))
  })
  const held = new Promise<Lock>(resolve => {
    child.stdout.once("data", () =>
      resolve({
        async [Symbol.asyncDispose]() {
          child.ref()
          child.stdin.end()
          await ended
        },
      }),
    )
  })
  const result = await Promise.race([held, ended])
  // A lock that is kept until the process ends must not keep it from ending.
  child.unref()
  for (const stream of [child.stdin, child.stdout]) (stream as unknown as Socket).unref()
  return result
}
