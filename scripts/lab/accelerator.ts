import { spawn } from "node:child_process"
import {
  access,
  constants,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  truncate,
  writeFile,
} from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { cacheDirectory } from "./paths.ts"
import { environment, run, tied } from "./run.ts"

/** How QEMU runs the guest's instructions, and why. */
export type Accelerator = {
  kind: "kvm" | "tcg"
  /** Why it is not KVM. */
  reason?: string
}

/** Where the probe looks; the defaults are the real ones. */
export type ProbeOptions = {
  device?: string
  qemu?: string
  /** How long the probe's machine may take to boot, in milliseconds. Default 8,000. */
  timeout?: number
}

/** QEMU's arguments for the accelerator. */
export const acceleratorArguments = ({ kind }: Accelerator): string[] =>
  kind === "kvm"
    ? ["-accel", "kvm", "-cpu", "host"]
    : ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max"]

/**
 * What Xen needs on its command line under the accelerator. In software emulation dom0 page-faults at once
 * without the first two, and floating-point state leaks between domains without the third (QEMU 7.2, Xen 4.17).
 */
export const xenOptionsFor = ({ kind }: Accelerator): string[] =>
  kind === "kvm" ? [] : ["smap=0", "smep=0", "xsave=0"]

/** The accelerator of this machine: probed once and then known until the machine boots again. */
export async function accelerator(): Promise<Accelerator> {
  const file = join(cacheDirectory(), "accelerator.json")
  const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim()
  const known = await readFile(file, "utf8").then(JSON.parse, () => undefined)
  if (known?.boot === boot) return known.found
  const found = await probeAccelerator()
  await mkdir(cacheDirectory(), { recursive: true })
  await writeFile(`${file}.${process.pid}`, JSON.stringify({ boot, found }))
  await rename(`${file}.${process.pid}`, file)
  return found
}

/**
 * KVM where it works, else software emulation. A /dev/kvm that can be opened proves nothing: in containers and
 * nested machines the first virtual CPU may abort, and firmware may run where a boot loader hangs (both seen).
 * So a machine is started that boots GRUB from a disk of 1 MiB; KVM works when GRUB has slept and spoken.
 */
export async function probeAccelerator(options: ProbeOptions = {}): Promise<Accelerator> {
  const { device = "/dev/kvm", qemu = "qemu-system-x86_64", timeout = 8_000 } = options
  try {
    await access(device, constants.R_OK | constants.W_OK)
  } catch (error) {
    return { kind: "tcg", reason: `${device}: ${(error as NodeJS.ErrnoException).code}` }
  }
  const work = await mkdtemp(join(tmpdir(), "lab-probe-"))
  try {
    const disk = await speakingDisk(work)
    if (await speaks([qemu, ...probeArguments(disk)], timeout)) return { kind: "kvm" }
    return { kind: "tcg", reason: `${device} is there, but a machine on it does not boot` }
  } finally {
    await rm(work, { recursive: true })
  }
}

const sign = "lab-probe-speaks"

async function speakingDisk(work: string): Promise<string> {
  const modules = "/usr/lib/grub/i386-pc"
  const [script, core, disk] = ["grub.cfg", "core.img", "disk.raw"].map(name => join(work, name)) as [
    string,
    string,
    string,
  ]
  await writeFile(script, `serial --unit=0\nterminal_output serial\nsleep 1\necho ${sign}\n`)
  await run("make the disk that probes KVM", [
    ...["grub-mkimage", "--format", "i386-pc", "--prefix", "/", "--config", script, "--output", core],
    ...["biosdisk", "serial", "terminal", "echo", "sleep"],
  ])
  await writeFile(disk, Buffer.concat([await readFile(join(modules, "boot.img")), await readFile(core)]))
  await truncate(disk, 2 ** 20)
  return disk
}

const probeArguments = (disk: string) => [
  ...["-nodefaults", "-no-user-config", "-display", "none", "-m", "64", "-smp", "2"],
  ...["-machine", "q35", ...acceleratorArguments({ kind: "kvm" })],
  ...["-drive", `if=none,id=disk,format=raw,file=${disk}`, "-device", "virtio-blk-pci,drive=disk"],
  ...["-serial", "stdio"],
]

/** Whether the machine's serial line says the sign in time. */
async function speaks(command: string[], timeout: number): Promise<boolean> {
  const [program, ...args] = tied(command)
  const child = spawn(program!, args, { stdio: ["ignore", "pipe", "ignore"], env: environment(), timeout })
  try {
    let heard = ""
    for await (const chunk of child.stdout.setEncoding("latin1")) {
      heard += chunk
      if (heard.includes(sign)) return true
    }
    return false
  } finally {
    child.kill("SIGKILL")
  }
}
