import { execFile, spawn } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"

const source = join(import.meta.dirname, "oracle.c")

/** What Xen's own library is asked: a configuration (`v`: whether it is one), a disk specification or a PCI specification, as bytes. */
export interface Case {
  readonly kind: "c" | "v" | "d" | "p"
  readonly text: Buffer
}

/** What it said: "error", "crash", or what it read. */
export type Answer = string | object

/** Xen's own parser (libxlutil of Debian's libxenmisc4.17), compiled into a small helper. */
export interface Oracle {
  ask(cases: readonly Case[]): Promise<Answer[]>
  dispose(): Promise<void>
}

/** Compiles the helper. Fails with the missing packages' names where it cannot. */
export async function buildOracle(): Promise<Oracle> {
  const folder = await mkdtemp(join(tmpdir(), "xlcfg-oracle-"))
  const program = join(folder, "oracle")
  await promisify(execFile)("gcc", ["-O1", "-w", "-o", program, source, "-lxlutil", "-lxenlight"]).catch(
    cause => {
      throw new Error(
        "The comparison with Xen's own parser needs gcc and Debian's packages libxen-dev and libxenmisc4.17: " +
          `apt-get install gcc libc6-dev libxen-dev libxenmisc4.17 (${String(cause.stderr ?? cause).split("\n")[0]})`,
        { cause },
      )
    },
  )
  return {
    ask: cases => run(program, cases),
    dispose: () => rm(folder, { recursive: true }),
  }
}

async function run(program: string, cases: readonly Case[]): Promise<Answer[]> {
  const child = spawn(program, { stdio: ["pipe", "pipe", "inherit"], env: { LC_ALL: "C" } })
  const output: Buffer[] = []
  child.stdout.on("data", chunk => output.push(chunk))
  const ended = new Promise<number | null>((resolve, reject) =>
    child.on("error", reject).on("close", resolve),
  )
  child.stdin.end(Buffer.concat(cases.flatMap(({ kind, text }) => [header(kind, text.length), text])))
  const code = await ended
  const lines = Buffer.concat(output).toString("latin1").split("\n").slice(0, -1)
  if (code !== 0 || lines.length !== cases.length)
    throw new Error(`The helper ended with ${code} after ${lines.length} of ${cases.length} cases.`)
  return lines.map(line => (line === "error" || line === "crash" ? line : JSON.parse(line)))
}

function header(kind: string, length: number): Buffer {
  const bytes = Buffer.alloc(5)
  bytes.write(kind, "latin1")
  bytes.writeUInt32LE(length, 1)
  return bytes
}
