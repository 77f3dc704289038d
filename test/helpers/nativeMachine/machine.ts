import type { ChildProcess } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { copyFile, cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir, totalmem } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { LabHost } from "../../../hosts/lab.ts"
import { bareImage } from "../../../scripts/lab/image.ts"
import { publicKey } from "../../../scripts/lab/keys.ts"
import { defaultHardware } from "../../../scripts/lab/labs.ts"
import { exec, must } from "../../host/helpers/run.ts"
import type { Boot } from "../boots.ts"
import { programs } from "../simulatedXen/programs.ts"
import { type Booted, chooseEntry } from "./firmware.ts"
import { NativeNetwork } from "./network.ts"
import { tied } from "./tied.ts"
import { viewOfXen } from "./view.ts"

/** Where the disk's one partition begins (scripts/lab/disk.ts). */
const PARTITION = 2048 * 512
/** What systemd-nspawn ends with when the container asks for a restart, where nobody else could answer it. */
const RESTART = 133

/**
 * The lab's bare Debian machine, from the same disk, with this machine's processor and kernel in the place of an emulated
 * one: its own systemd, GRUB's tools, package manager and sshd, in namespaces (systemd-nspawn). Simulated are the firmware
 * with GRUB's menu, which boots what the disk's grub.cfg and grubenv say, and where that is Xen, what dom0 sees of it:
 * /sys/hypervisor, /proc/xen, `xl info` and `xl list`. No domain can be started here. Needs root.
 *
 *     await using machine = await NativeMachine.start()
 *     machine.host        // as of any machine of the lab
 *     machine.booted.xen  // Xen's command line
 */
export class NativeMachine implements AsyncDisposable {
  readonly #id = `nm${randomBytes(3).toString("hex")}`
  readonly #directory: string
  readonly #network: NativeNetwork
  #loop = ""
  #hostKey = ""
  #container: ChildProcess | undefined
  #starting: Promise<void> | undefined
  #isOn = false
  readonly #boots: Boot[] = []
  /** What runs now. */
  booted: Booted = { xen: undefined, linux: "" }

  private constructor(directory: string) {
    this.#directory = directory
    this.#network = new NativeNetwork(this.#id, directory)
  }

  static async start(): Promise<NativeMachine> {
    const machine = new NativeMachine(await mkdtemp(join(tmpdir(), "native-machine-")))
    try {
      await machine.#install()
      await machine.#network.create()
      await machine.boot()
      return machine
    } catch (error) {
      await machine[Symbol.asyncDispose]()
      throw error
    }
  }

  /** As of any machine of the lab. */
  get host(): LabHost {
    return {
      ...{ name: "native", flavour: "debian", host: "127.0.0.1", port: this.#network.port, user: "root" },
      hostKey: this.#hostKey,
      privateKeyPath: join(this.#directory, "keys/id_ed25519"),
      ...{ uplink: "eth0", xenOptions: [], forwards: [] },
    }
  }

  /** The root of its file system, as a path of this machine. */
  get root(): string {
    return join(this.#directory, "root")
  }

  /** The disk's node, of one name here and there: grub-probe looks for what the file system was mounted from. */
  get #disk(): string {
    return `/dev/${this.#id}`
  }

  async #install(): Promise<void> {
    const image = await bareImage("debian", await defaultHardware())
    await cp(image.keys, join(this.#directory, "keys"), { recursive: true })
    this.#hostKey = await publicKey(image.keys, "host_ed25519")
    const file = join(this.#directory, "disk.raw")
    await must(["qemu-img", "convert", "-O", "raw", image.disk, file])
    this.#loop = (await must(["losetup", "--find", "--show", `--offset=${PARTITION}`, file])).trim()
    await mkdir(this.root)
    // By its name as a disk: grub-mkconfig makes no entries for a system on a loop device.
    await must(["mknod", this.#disk, "b", "7", this.#loop.replace(/\D+/, "")])
    await must(["mount", this.#disk, this.root])
    // It goes by itself with what is mounted from it.
    await must(["losetup", "--detach", this.#loop])
    const library = join(this.root, "usr/lib/simulated-xen")
    await mkdir(library)
    await copyFile((await programs()).paths, join(library, "paths.so"))
  }

  /** Firmware, GRUB, and what it boots; waits until systemd is done. */
  async boot(): Promise<void> {
    this.#isOn = true
    this.#starting = this.#start()
    await this.#starting
    for (let tries = 0; tries < 600; tries++) {
      const { stdout } = await this.attempt("systemctl is-system-running")
      if (/^(running|degraded)/.test(stdout)) return
      await sleep(100)
    }
    throw new Error(`${this.#id} did not boot`)
  }

  /** What was booted since the machine was made, the oldest first. */
  async boots(): Promise<readonly Boot[]> {
    return [...this.#boots]
  }

  async #start(): Promise<void> {
    await this.#network.forgetLinks()
    this.booted = await chooseEntry(this.root)
    this.#boots.push(this.booted.xen === undefined ? "Linux" : "Xen")
    const binds = [`--bind=${this.#disk}`, `--bind=${this.#loop}`, ...(await this.#xen())]
    const what = ["-D", this.root, "--boot", ...binds]
    const apart = ["--quiet", "--register=no", "--keep-unit", "--resolv-conf=off", "--console=pipe"]
    const names = [`--machine=${this.#id}`, `--network-namespace-path=/run/netns/${this.#network.host}`]
    const container = tied(["systemd-nspawn", ...apart, ...names, "--capability=all", ...what], "ignore", {
      SYSTEMD_NSPAWN_API_VFS_WRITABLE: "network",
    })
    container.once("exit", code => {
      if (code === RESTART && this.#isOn) this.#starting = this.#start()
    })
    this.#container = container
  }

  /** Where Xen is booted: what is laid over the file system for it to be seen. */
  async #xen(): Promise<string[]> {
    const preload = join(this.root, "etc/ld.so.preload")
    await rm(preload, { force: true })
    if (this.booted.xen === undefined) return []
    const view = join(this.#directory, "view")
    await rm(view, { recursive: true, force: true })
    await viewOfXen(view, this.booted, Math.floor(totalmem() / 2 ** 20))
    await writeFile(preload, "/usr/lib/simulated-xen/paths.so\n")
    return [`--bind-ro=${view}:/run/simulated-xen`, `--bind-ro=${view}/xl:/usr/lib/xen-4.17/bin/xl`]
  }

  async #init(): Promise<string | undefined> {
    const pid = this.#container?.pid
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "")
    return children.trim().split(" ")[0] || undefined
  }

  /** Runs a POSIX script on the machine, not over the network; a failure is an answer. */
  async attempt(script: string): Promise<{ exit: number | null; stdout: string; stderr: string }> {
    const init = await this.#init()
    if (init === undefined) return { exit: null, stdout: "", stderr: "it is off" }
    return exec(["nsenter", "-t", init, "-m", "-n", "-p", "-i", "-u", "--", "sh", "-eu", "-s"], {
      stdin: script,
    })
  }

  /** The same, where anything but success is an error. */
  async run(script: string): Promise<string> {
    const { exit, stdout, stderr } = await this.attempt(script)
    if (exit !== 0) throw new Error(`${this.#id}: exit ${exit}: ${stderr}${stdout}`)
    return stdout
  }

  /** A power cut: everything ends at once; the disk stays as it is. */
  async powerCut(): Promise<void> {
    this.#isOn = false
    await this.#starting
    const container = this.#container
    if (container === undefined || container.exitCode !== null || container.signalCode !== null) return
    const ended = once(container, "exit")
    const init = await this.#init()
    if (init === undefined) container.kill("SIGKILL")
    else process.kill(Number(init), "SIGKILL")
    await ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.powerCut()
    await this.#network.remove()
    await exec(["umount", this.root])
    await rm(this.#disk, { force: true })
    await rm(this.#directory, { recursive: true, force: true })
  }
}
