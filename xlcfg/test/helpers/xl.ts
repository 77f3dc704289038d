import { execFile, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"

const program = "/usr/lib/xen-4.17/bin/xl"
const source = join(import.meta.dirname, "xl-without-xen.c")

/** What xl made of a configuration. */
export interface DryRun {
  readonly accepted: boolean
  /** The domain as libxl would create it; `undefined` where xl refused it. */
  // biome-ignore lint/suspicious/noExplicitAny: libxl's own JSON, of which each test looks at some fields
  readonly domain: any
  /** What xl complained about, a line each. */
  readonly complaints: readonly string[]
}

/** The real xl of Xen 4.17, reading configurations without creating anything. */
export interface Xl {
  read(cfg: string): Promise<DryRun>
  dispose(): Promise<void>
}

/** Prepares xl for a machine without Xen. Fails with the missing packages' names where it cannot. */
export async function prepareXl(): Promise<Xl> {
  const needed = "apt-get install gcc libc6-dev libxen-dev libxenmisc4.17 xen-utils-4.17"
  if (!existsSync(program)) throw new Error(`The comparison with the real xl needs ${program}: ${needed}`)
  const folder = await mkdtemp(join(tmpdir(), "xlcfg-xl-"))
  const library = join(folder, "xl-without-xen.so")
  await promisify(execFile)("gcc", ["-shared", "-fPIC", "-w", "-o", library, source]).catch(cause => {
    throw new Error(`The comparison with the real xl needs a C compiler and Xen's headers: ${needed}`, {
      cause,
    })
  })
  let runs = 0
  return {
    async read(cfg) {
      const file = join(folder, `${runs++}.cfg`)
      await writeFile(file, cfg)
      return read(file, library)
    },
    dispose: () => rm(folder, { recursive: true }),
  }
}

async function read(file: string, library: string): Promise<DryRun> {
  const child = spawn(program, ["-N", "create", file], { env: { LC_ALL: "C", LD_PRELOAD: library } })
  let output = ""
  let errors = ""
  child.stdout.setEncoding("utf8").on("data", text => (output += text))
  child.stderr.setEncoding("utf8").on("data", text => (errors += text))
  const code = await new Promise<number | null>((resolve, reject) =>
    child.on("error", reject).on("close", resolve),
  )
  const noise =
    /^(Parsing config from|libxl: .*(console|xenstore)|Failed to read config file|got a tsc mode string)/
  return {
    accepted: code === 0,
    domain: code === 0 ? JSON.parse(output) : undefined,
    complaints: errors.split("\n").filter(line => line !== "" && !noise.test(line)),
  }
}
