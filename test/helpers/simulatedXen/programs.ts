import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"

const run = promisify(execFile)

/** The C programs of a simulated host, by their paths. */
export interface Programs {
  /** A guest: hello's network stack on tap devices. */
  readonly guest: string
  /** `xl`, and what sshd runs for each remote operation. */
  readonly client: string
  /** The library that leads /proc/xen and /sys/hypervisor to where they can be made. */
  readonly paths: string
}

const stack = "args dhcp disk http net sha256 tcp".split(" ").map(name => `${name}.c`)

/** Compiles them with gcc, once for as long as their sources are the same. */
export async function programs(): Promise<Programs> {
  const hello = join(import.meta.dirname, "../../../unikernels/hello")
  const headers = (await readdir(hello)).filter(name => name.endsWith(".h"))
  const own = ["guest.c", "client.c", "paths.c"].map(name => join(import.meta.dirname, name))
  const sources = [...own, ...[...stack, ...headers].map(name => join(hello, name))]
  const hash = createHash("sha256")
  for (const path of [...sources, import.meta.filename]) hash.update(await readFile(path))
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "pulumi-xen")
  const directory = join(cache, `simulated-xen-${hash.digest("hex").slice(0, 12)}`)
  if (!existsSync(directory)) await build(cache, directory, hello)
  return {
    guest: join(directory, "guest"),
    client: join(directory, "client"),
    paths: join(directory, "paths.so"),
  }
}

async function build(cache: string, directory: string, hello: string): Promise<void> {
  await mkdir(cache, { recursive: true })
  const aside = await mkdtemp(join(cache, "simulated-xen-new-"))
  const flags = ["-O2", "-std=gnu17", "-Wall", "-Wextra", "-Werror"]
  const from = (name: string) => join(import.meta.dirname, name)
  // hello's build id is a constant; a guest's is the digest of the kernel that it stands for.
  const build = "({ extern char guest_kernel[]; guest_kernel; })"
  const defines = ['-DNAME="hello"', '-DVERSION="1.0.0"', `-DBUILD_ID=${build}`, `-I${hello}`]
  await Promise.all([
    run("gcc", [
      ...flags,
      ...defines,
      "-o",
      join(aside, "guest"),
      from("guest.c"),
      ...stack.map(name => join(hello, name)),
    ]),
    run("gcc", [...flags, "-o", join(aside, "client"), from("client.c")]),
    run("gcc", [...flags, "-shared", "-fPIC", "-o", join(aside, "paths.so"), from("paths.c")]),
  ])
  await rename(aside, directory).catch(async error => {
    // Another test was first.
    await rm(aside, { recursive: true })
    if (!existsSync(directory)) throw error
  })
}
