import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { connect, createServer, type Server } from "node:net"
import { tmpdir, totalmem } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { LabHost } from "../../../hosts/lab.ts"
import { bareImage } from "../../../scripts/lab/image.ts"
import { publicKey } from "../../../scripts/lab/keys.ts"
import { defaultHardware } from "../../../scripts/lab/labs.ts"
import { packageServer } from "../../../scripts/lab/packages.ts"
import { hostImage } from "../../host/helpers/image.ts"
import { exec, must } from "../../host/helpers/run.ts"
import { programs } from "../simulatedXen/programs.ts"
import { type Booted, chooseEntry } from "./firmware.ts"
import { tie } from "./tie.ts"
import { viewOfXen } from "./view.ts"

/** As QEMU's network has them: the disk's Debian asks them for its address and its packages. */
const MAC = "52:54:00:12:34:56"
const ADDRESS = "10.0.2.15"
const GATEWAY = "10.0.2.2"
const PACKAGES = "10.0.2.9"
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
  readonly #servers: Server[] = []
  #loop = ""
  #relay: ChildProcess | undefined
  #dnsmasq: ChildProcess | undefined
  #container: ChildProcess | undefined
  #ended = false
  /** What runs now. */
  booted: Booted = { xen: undefined, linux: "" }
  host!: LabHost

  private constructor(directory: string) {
    this.#directory = directory
  }

  static async start(): Promise<NativeMachine> {
    const machine = new NativeMachine(await mkdtemp(join(tmpdir(), "native-machine-")))
    try {
      await machine.#install()
      await machine.#wire()
      await machine.boot()
      return machine
    } catch (error) {
      await machine[Symbol.asyncDispose]()
      throw error
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

  get #router(): string {
    return `${this.#id}r`
  }

  async #install(): Promise<void> {
    const image = await bareImage("debian", await defaultHardware())
    const file = join(this.#directory, "disk.raw")
    await must(["qemu-img", "convert", "-O", "raw", image.disk, file])
    this.#loop = (await must(["losetup", "--find", "--show", `--offset=${PARTITION}`, file])).trim()
    await mkdir(this.root)
    // By its name as a disk: grub-mkconfig makes no entries for a system on a loop device.
    const minor = this.#loop.replace(/\D+/, "")
    await must(["mknod", this.#disk, "b", "7", minor])
    await must(["mount", this.#disk, this.root])
    // It goes by itself with what is mounted from it.
    await must(["losetup", "--detach", this.#loop])
    const keys = join(this.#directory, "keys")
    await must(["cp", "-r", image.keys, keys])
    this.host = {
      ...{ name: "native", flavour: "debian", host: "127.0.0.1", port: 0, user: "root", uplink: "eth0" },
      hostKey: await publicKey(keys, "host_ed25519"),
      privateKeyPath: join(keys, "id_ed25519"),
      ...{ xenOptions: [], forwards: [] },
    }
    const library = join(this.root, "usr/lib/simulated-xen")
    await mkdir(library)
    await copyFile((await programs()).paths, join(library, "paths.so"))
  }

  /** eth0, the router that it leads to, and the ways from here to its sshd and from it to its packages. */
  async #wire(): Promise<void> {
    for (const name of [this.#router, this.#id]) await must(["ip", "netns", "add", name])
    const inRouter = ["ip", "netns", "exec", this.#router]
    await must([
      ...["ip", "-n", this.#id, "link", "add", "eth0", "address", MAC, "type", "veth"],
      ...["peer", "name", "wire", "netns", this.#router],
    ])
    for (const address of [GATEWAY, PACKAGES])
      await must(["ip", "-n", this.#router, "addr", "add", `${address}/24`, "dev", "wire"])
    for (const link of ["wire", "lo"]) await must(["ip", "-n", this.#router, "link", "set", link, "up"])
    // By its MAC address alone, as QEMU's does: after a power cut the bridge's client is another one than the card's.
    this.#dnsmasq = tied(
      [
        ...[
          "ip",
          "netns",
          "exec",
          this.#router,
          "chroot",
          await hostImage(),
          "dnsmasq",
          "--keep-in-foreground",
        ],
        ...["--conf-file=/dev/null", "--port=0", "--interface=wire", "--bind-interfaces", "--user=root"],
        ...[
          "--leasefile-ro",
          "--pid-file=",
          "--no-ping",
          `--dhcp-range=${ADDRESS},${ADDRESS},1h`,
          `--dhcp-host=${MAC},id:*,${ADDRESS}`,
        ],
        `--dhcp-option=option:dns-server,${GATEWAY}`,
      ],
      "ignore",
    )
    const [ssh, packages] = [join(this.#directory, "ssh.socket"), join(this.#directory, "packages.socket")]
    this.#relay = tied(
      [...inRouter, process.execPath, join(import.meta.dirname, "relay.ts"), ssh, packages],
      "pipe",
    )
    await once(this.#relay.stdout!, "data")
    this.#servers.push(packageServer().listen(packages))
    const front = createServer({ allowHalfOpen: true }, client => tie(client, connect(ssh)))
    front.listen(0, "127.0.0.1")
    this.#servers.push(front)
    await once(front, "listening")
    this.host = { ...this.host, port: (front.address() as { port: number }).port }
  }

  /** Firmware, GRUB, and what it boots; waits until systemd is done. */
  async boot(): Promise<void> {
    await this.#start()
    for (let tries = 0; tries < 600; tries++) {
      if (await this.#isUp()) return
      await sleep(100)
    }
    throw new Error(`${this.#id} did not boot`)
  }

  async #start(): Promise<void> {
    await this.#forgetLinks()
    this.booted = await chooseEntry(this.root)
    const view = join(this.#directory, "view")
    await rm(view, { recursive: true, force: true })
    await mkdir(view)
    const preload = join(this.root, "etc/ld.so.preload")
    await rm(preload, { force: true })
    const binds = [`--bind=${this.#disk}`, `--bind=${this.#loop}`]
    if (this.booted.xen !== undefined) {
      await viewOfXen(view, this.booted, Math.floor(totalmem() / 2 ** 20))
      await writeFile(preload, "/usr/lib/simulated-xen/paths.so\n")
      binds.push(`--bind-ro=${view}:/run/simulated-xen`, `--bind-ro=${view}/xl:/usr/lib/xen-4.17/bin/xl`)
    }
    const container = tied(
      [
        ...[
          "systemd-nspawn",
          "--quiet",
          "-D",
          this.root,
          "-b",
          "--register=no",
          "--keep-unit",
          `--machine=${this.#id}`,
        ],
        ...["--capability=all", "--resolv-conf=off", "--console=pipe", ...binds],
        `--network-namespace-path=/run/netns/${this.#id}`,
      ],
      "ignore",
    )
    container.once("exit", code => {
      if (code === RESTART && !this.#ended) void this.#start()
    })
    this.#container = container
  }

  /** A machine that starts has no links but its cards; a network namespace keeps what was made in it. */
  async #forgetLinks(): Promise<void> {
    const script = `
      for link in $(ls /sys/class/net); do case $link in lo | eth0) ;; *) ip link del "$link" ;; esac; done
      ip link set eth0 down nomaster && ip addr flush dev eth0`
    await must(["ip", "netns", "exec", this.#id, "sh", "-c", script])
  }

  async #init(): Promise<string | undefined> {
    const pid = this.#container?.pid
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "")
    return children.trim().split(" ")[0] || undefined
  }

  async #isUp(): Promise<boolean> {
    const { stdout } = await this.attempt("systemctl is-system-running")
    return /^(running|degraded)/.test(stdout)
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
    const init = await this.#init()
    if (init === undefined || this.#container === undefined) return
    const ended = once(this.#container, "exit")
    process.kill(Number(init), "SIGKILL")
    await ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true
    await this.powerCut()
    for (const server of this.#servers) server.close()
    this.#relay?.kill("SIGKILL")
    this.#dnsmasq?.kill("SIGKILL")
    for (const name of [this.#router, this.#id]) await exec(["ip", "netns", "del", name])
    await exec(["umount", this.root])
    await rm(this.#disk, { force: true })
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/** A program that ends with this process at the latest. */
function tied(command: readonly string[], stdout: "ignore" | "pipe"): ChildProcess {
  const env = { ...process.env, SYSTEMD_NSPAWN_API_VFS_WRITABLE: "network" }
  const stdio = ["ignore", stdout, "ignore"] as const
  return spawn("setpriv", ["--pdeathsig", "KILL", "--", ...command], { stdio: [...stdio], env })
}
