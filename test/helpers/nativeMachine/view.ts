import { chmod, mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { info, list } from "../simulatedXen/listing.ts"
import type { Booted } from "./firmware.ts"

/** An `xl` that knows what is asked of a host without domains. */
const XL = `#!/bin/sh
case $1 in
info | list) exec cat "/run/simulated-xen/$1" ;;
esac
echo "xl: a native machine of the tests cannot $1" >&2
exit 2
`

/** The kernel has run for longer than the machine: of what is on its disk, all would be newer than the boot. */
async function statistics(): Promise<string> {
  const text = await readFile("/proc/stat", "utf8")
  return text.replace(/^btime \d+$/m, `btime ${Math.floor(Date.now() / 1000)}`)
}

/** Makes in `directory` what dom0 sees of Xen and of its own command line, on a machine of so many MiB. */
export async function viewOfXen(directory: string, booted: Booted, memory: number): Promise<void> {
  const commandLine = booted.xen ?? ""
  const dom0Memory = Number(/\bdom0_mem=(\d+)M/.exec(commandLine)?.[1] ?? memory)
  const hardware = { memory, dom0Memory, cpus: 2, commandLine }
  const files = {
    cmdline: `${booted.linux}\n`,
    stat: await statistics(),
    "proc/capabilities": "control_d\n",
    "sys/type": "xen\n",
    "sys/version/major": "4\n",
    "sys/version/minor": "17\n",
    "sys/version/extra": ".7\n",
    info: info({ hardware, freeMemory: memory - dom0Memory }),
    list: list([], true, false, { hardware }),
    xl: XL,
  }
  for (const part of ["proc", "sys/version"]) await mkdir(join(directory, part), { recursive: true })
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text)
  await chmod(join(directory, "xl"), 0o755)
}
