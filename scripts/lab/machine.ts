import { spawn } from "node:child_process"
import { open, readdir, readFile, readlink, realpath } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { type Accelerator, acceleratorArguments } from "./accelerator.ts"
import { MachineStopped } from "./errors.ts"
import { Monitor } from "./qmp.ts"
import { environment, shellWord, tied } from "./run.ts"

/** A port of 127.0.0.1 that leads to an address behind the machine, on QEMU's user network 10.0.2.0/24. */
export type Forward = { port: number; address: string; to: number }

/** All that QEMU is told about a machine. */
export type MachineSpec = {
  /** Holds the machine's pid file, sockets and logs; QEMU's working directory. */
  directory: string
  /** The disk's path and format. */
  disk: string
  format: "qcow2" | "raw"
  /** MiB. */
  memory: number
  cpus: number
  accelerator: Accelerator
  /** Ports of 127.0.0.1, the one for ssh among them. */
  forwards: readonly Forward[]
  /** Memory state to go on from, written by `saveMemory` of a machine of the same hardware. */
  memoryState?: string
  /** Program that answers every connection to `http://10.0.2.9/` on its standard input and output. */
  packages?: readonly string[]
}

/** The guest's address on QEMU's user network. */
export const guestAddress = "10.0.2.15"

/** Where the guest finds the lab's packages, whichever port or machine it was restored on. */
export const packagesAddress = "10.0.2.9"

/** QEMU's arguments for a machine. Every device is named, so that a saved state fits a later start. */
export function qemuArguments(spec: MachineSpec): string[] {
  const forwards = spec.forwards.map(f => `hostfwd=tcp:127.0.0.1:${f.port}-${f.address}:${f.to}`)
  const packages = spec.packages ? [`guestfwd=tcp:${packagesAddress}:80-cmd:${shellJoin(spec.packages)}`] : []
  const network = ["user", "id=net", ...forwards, ...packages].join(",")
  return [
    ...["-name", "lab", "-nodefaults", "-no-user-config", "-machine", "q35"],
    ...acceleratorArguments(spec.accelerator),
    ...["-smp", `${spec.cpus}`, "-m", `${spec.memory}`],
    ...["-display", "none", "-vga", "std", "-pidfile", "qemu.pid"],
    // Flushes reach the page cache, which outlives QEMU: a killed machine loses what a power cut would lose.
    ...[
      "-drive",
      `id=disk,if=none,file=${commas(spec.disk)},format=${spec.format},cache=unsafe,discard=unmap`,
    ],
    ...["-device", "virtio-blk-pci,drive=disk"],
    ...["-netdev", network, "-device", "virtio-net-pci,netdev=net,mac=52:54:00:12:34:56"],
    ...["-device", "virtio-rng-pci"],
    ...["-chardev", "socket,id=serial,path=console.sock,server=on,wait=off,logfile=console.log,logappend=on"],
    ...["-serial", "chardev:serial", "-qmp", "unix:monitor.sock,server=on,wait=off"],
    ...(spec.memoryState ? ["-incoming", `exec:cat ${shellWord(spec.memoryState)}`] : []),
  ]
}

/**
 * Starts QEMU and waits until its monitor answers. `tied` machines die with this process; others outlive it.
 * @throws MachineStopped with QEMU's own words, when it does not start.
 */
export async function startMachine(spec: MachineSpec, options: { tied: boolean }): Promise<Machine> {
  const command = ["qemu-system-x86_64", ...qemuArguments(spec)]
  const [program, ...args] = options.tied ? tied(command) : command
  await using log = await open(join(spec.directory, "qemu.log"), "w")
  const child = spawn(program!, args, {
    cwd: spec.directory,
    env: environment(),
    detached: !options.tied,
    stdio: ["ignore", log.fd, log.fd],
  })
  let ended: string | undefined
  child.once("error", error => {
    ended = error.message
  })
  child.once("exit", (code, signal) => {
    ended = `QEMU ended with ${signal ?? `exit code ${code}`}`
  })
  child.unref()
  while (ended === undefined) {
    const machine = await findMachine(spec.directory)
    if (machine && (await machine.answers())) return spec.memoryState ? await restored(machine) : machine
    await sleep(20)
  }
  throw new MachineStopped("start the machine", ended, await qemuLog(spec.directory))
}

async function restored(machine: Machine): Promise<Machine> {
  try {
    await machine.goOn()
    return machine
  } catch (error) {
    await machine.powerCut()
    throw new MachineStopped(
      "restore the machine",
      "its saved memory does not fit",
      await qemuLog(machine.directory),
      { cause: error },
    )
  }
}

/**
 * The machine that runs in `directory`, if one does. A pid file alone proves nothing: its process must be a
 * QEMU whose working directory is this one, so a stale file or a reused pid is never taken for a machine.
 */
export async function findMachine(directory: string): Promise<Machine | undefined> {
  try {
    const pid = Number.parseInt(await readFile(join(directory, "qemu.pid"), "utf8"), 10)
    const [cwd, name] = await Promise.all([
      readlink(`/proc/${pid}/cwd`),
      readFile(`/proc/${pid}/comm`, "utf8"),
    ])
    if (cwd === (await realpath(directory)) && name.startsWith("qemu")) return new Machine(pid, directory)
  } catch (error) {
    if (!["ENOENT", "ESRCH", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error
  }
  return undefined
}

/** A running QEMU. */
export class Machine {
  readonly pid: number
  readonly directory: string

  constructor(pid: number, directory: string) {
    this.pid = pid
    this.directory = directory
  }

  /** A socket of the machine by a path short enough for sockaddr_un, however deep its directory lies. */
  socket(name: "monitor.sock" | "console.sock"): string {
    return `/proc/${this.pid}/cwd/${name}`
  }

  async answers(): Promise<boolean> {
    try {
      await using _ = await Monitor.connect(this.socket("monitor.sock"))
      return true
    } catch {
      return false
    }
  }

  async running(): Promise<boolean> {
    return (await findMachine(this.directory))?.pid === this.pid
  }

  /** QEMU's run state: `running`, `paused`, `inmigrate`, `io-error` (the host's disk is full), … */
  async state(): Promise<string> {
    await using monitor = await Monitor.connect(this.socket("monitor.sock"))
    return ((await monitor.execute("query-status")) as { status: string }).status
  }

  /** Lets a machine go on that was saved while it stood still, once its memory is read. */
  async goOn(): Promise<void> {
    await using monitor = await Monitor.connect(this.socket("monitor.sock"))
    const state = async () => ((await monitor.execute("query-status")) as { status: string }).status
    while ((await state()) === "inmigrate") await sleep(20)
    await monitor.execute("cont")
  }

  /**
   * Writes the machine's memory to `file` and stops the machine for good. Its disk then holds what belongs to
   * that memory: it may be the backing file of overlays, and never be written again.
   */
  async saveMemory(file: string): Promise<void> {
    await using monitor = await Monitor.connect(this.socket("monitor.sock"))
    await monitor.execute("stop")
    // The default limit is made for networks: 128 MiB a second.
    await monitor.execute("migrate-set-parameters", { "max-bandwidth": 2 ** 40 })
    await monitor.execute("migrate", { uri: `exec:cat > ${shellWord(file)}` })
    for (;;) {
      const { status, ...rest } = (await monitor.execute("query-migrate")) as { status?: string }
      if (status === "completed") break
      if (status === "failed" || status === "cancelled") {
        throw new MachineStopped(
          "save the machine's memory",
          `QEMU's migration ${status}`,
          JSON.stringify(rest),
        )
      }
      await sleep(50)
    }
    await this.powerCut()
  }

  /** Presses the power button and waits for the guest to shut down; after `limit` ms pulls the plug. */
  async powerOff(limit = 60_000): Promise<void> {
    if (await this.running()) {
      await using monitor = await Monitor.connect(this.socket("monitor.sock"))
      await monitor.execute("system_powerdown")
    }
    if (!(await this.#gone(limit))) await this.powerCut()
  }

  /** Pulls the plug: SIGKILL. What the guest had not flushed is lost, as in a power cut. */
  async powerCut(): Promise<void> {
    if (await this.running()) process.kill(this.pid, "SIGKILL")
    await this.#gone(10_000)
  }

  async #gone(limit: number): Promise<boolean> {
    for (const end = Date.now() + limit; Date.now() < end; await sleep(50)) {
      if (await hasEnded(this.pid)) return true
    }
    return false
  }
}

/**
 * Whether the QEMU of that pid holds nothing any more: neither a port nor its disk. Killed, its first thread goes
 * before the others, which share its files; proc(5) then has no `cwd` of it, but still its threads.
 */
async function hasEnded(pid: number): Promise<boolean> {
  try {
    const [threads, stat] = await Promise.all([
      readdir(`/proc/${pid}/task`),
      readFile(`/proc/${pid}/stat`, "utf8"),
    ])
    const { name, state } = /\((?<name>.*)\) (?<state>.)/s.exec(stat)!.groups!
    return !name!.startsWith("qemu") || (threads.length === 1 && state === "Z")
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return true
    throw error
  }
}

async function qemuLog(directory: string): Promise<string> {
  return (await readFile(join(directory, "qemu.log"), "utf8")).trim().split("\n").slice(-5).join("\n")
}

/** QEMU reads its options' values up to a comma; two commas are one. */
const commas = (text: string) => text.replaceAll(",", ",,")
const shellJoin = (command: readonly string[]) => commas(command.map(shellWord).join(" "))
