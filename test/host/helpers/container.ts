import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { Secret } from "../../../provider/secret.ts"
import {
  type Command,
  ConnectError,
  type Connection,
  RemoteCommandError,
  type RunOptions,
  type RunResult,
} from "../../../provider/ssh/index.ts"
import { hostImage } from "./image.ts"
import { exec, must } from "./run.ts"

export interface HostOptions {
  /** Which manager is enabled, with its configuration files by path. */
  readonly units?: readonly string[]
  readonly files?: Readonly<Record<string, string>>
  /** Serve DHCP (192.0.2.100-150) and router advertisements (2001:db8::/64) on the other end. */
  readonly dhcp?: boolean
  /** The same without addresses: routers advertise a default route, and no prefix to make addresses of. */
  readonly advertised?: boolean
}

/** Of the other end of the host's only wire. */
export const GATEWAY4 = "192.0.2.1"
export const GATEWAY6 = "2001:db8::1"

/**
 * A host: a real systemd with real network managers and a real sshd, in namespaces of its own, on an overlay of
 * the image. Its one wire, eth0, ends in a second network namespace, from which it is reached; nothing of it
 * touches the network of the machine that runs the tests.
 */
export class TestHost {
  readonly id = `px${randomBytes(3).toString("hex")}`
  readonly #options: HostOptions
  #directory = ""
  #nspawn: ChildProcess | undefined
  #dnsmasq: ChildProcess | undefined
  #init = 0

  private constructor(options: HostOptions) {
    this.#options = options
  }

  static async start(options: HostOptions): Promise<TestHost> {
    const host = new TestHost(options)
    try {
      await host.#create()
      await host.powerOn()
    } catch (error) {
      await host.stop()
      throw error
    }
    return host
  }

  get root(): string {
    return join(this.#directory, "root")
  }

  get router(): string {
    return `${this.id}r`
  }

  async #create(): Promise<void> {
    const image = await hostImage()
    this.#directory = await mkdtemp(join(tmpdir(), "pulumi-xen-host-"))
    for (const name of ["upper", "work", "root"]) await mkdir(join(this.#directory, name))
    const layers = `lowerdir=${image},upperdir=${this.#directory}/upper,workdir=${this.#directory}/work`
    await must(["mount", "-t", "overlay", "overlay", "-o", layers, this.root])
    // Whoever asks every quarter of a second whether sshd is there must not be taken for an attack.
    const files = { "/etc/ssh/sshd_config.d/tests.conf": "MaxStartups 200\n", ...this.#options.files }
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(this.root, path)), { recursive: true })
      await writeFile(join(this.root, path), content, { mode: path.endsWith("connection") ? 0o600 : 0o644 })
    }
    for (const unit of this.#options.units ?? [])
      await must(["systemctl", `--root=${this.root}`, "enable", unit])
    await must(["ip", "netns", "add", this.router])
    await must(["ip", "netns", "add", this.id])
    const inRouter = ["ip", "netns", "exec", this.router]
    await must([
      ...["ip", "-n", this.id, "link", "add", "eth0", "address", "02:00:00:00:00:07", "type", "veth"],
      ...["peer", "name", "wire", "netns", this.router],
    ])
    // A second interface that leads nowhere.
    await must([
      "ip",
      "-n",
      this.id,
      "link",
      "add",
      "eth1",
      "type",
      "veth",
      "peer",
      "name",
      "nowhere",
      "netns",
      this.router,
    ])
    await must([
      ...inRouter,
      "sysctl",
      "-qw",
      "net.ipv6.conf.all.accept_dad=0",
      "net.ipv6.conf.wire.accept_dad=0",
    ])
    await must([...inRouter, "ip", "addr", "add", `${GATEWAY4}/24`, "dev", "wire"])
    await must([...inRouter, "ip", "addr", "add", `${GATEWAY6}/64`, "dev", "wire", "nodad"])
    await must([...inRouter, "ip", "link", "set", "wire", "up"])
    await must([...inRouter, "ip", "link", "set", "lo", "up"])
    // Whoever asks sits behind the gateway: without its default route the host cannot answer.
    await must([...inRouter, "ip", "addr", "add", "198.18.0.1/32", "dev", "lo"])
    await must([...inRouter, "ip", "route", "replace", "192.0.2.0/24", "dev", "wire", "src", "198.18.0.1"])
    if (this.#options.dhcp || this.#options.advertised) this.#serveDhcp(image)
  }

  #serveDhcp(image: string): void {
    this.#dnsmasq = spawn(
      "ip",
      [
        ...[
          "netns",
          "exec",
          this.router,
          "chroot",
          image,
          "dnsmasq",
          "--keep-in-foreground",
          "--conf-file=/dev/null",
        ],
        ...[
          "--port=0",
          "--interface=wire",
          "--bind-interfaces",
          "--leasefile-ro",
          "--pid-file=",
          "--user=root",
        ],
        ...(this.#options.dhcp ? ["--dhcp-range=192.0.2.100,192.0.2.150,10m"] : []),
        // Hosts that it does not know get no address by DHCPv6.
        ...["--enable-ra", `--dhcp-range=2001:db8::,${this.#options.advertised ? "static" : "ra-only"},10m`],
        "--dhcp-option=option:dns-server,192.0.2.53",
        // The host's own MAC address has its address: a bridge with another one gets another.
        ...["--no-ping", "--dhcp-host=02:00:00:00:00:07,192.0.2.100"],
      ],
      { stdio: "ignore" },
    )
  }

  /** Boots the host and waits until systemd is done. */
  async powerOn(): Promise<void> {
    this.#boot()
    await this.booted()
  }

  #boot(): void {
    const nspawn = spawn(
      "systemd-nspawn",
      [
        ...["--quiet", "-D", this.root, "-b", "--register=no", "--keep-unit", `--machine=${this.id}`],
        ...[
          `--network-namespace-path=/run/netns/${this.id}`,
          "--console=pipe",
          "--capability=all",
          "--resolv-conf=off",
        ],
      ],
      { stdio: "ignore", env: { ...process.env, SYSTEMD_NSPAWN_API_VFS_WRITABLE: "network" } },
    )
    // With --keep-unit a restart from inside is an exit with 133, to be answered from outside.
    nspawn.once("exit", code => {
      if (code === 133) this.#boot()
    })
    this.#nspawn = nspawn
  }

  /** Waits for the present boot to be complete; after a restart the init process is another one. */
  async booted(): Promise<void> {
    for (let tries = 0; tries < 300; tries++) {
      this.#init = await this.#findInit()
      if (this.#init) {
        const { stdout } = await this.inside(["systemctl", "is-system-running"])
        if (/^(running|degraded)/.test(stdout)) return
      }
      await sleep(100)
    }
    throw new Error(`${this.id} did not boot`)
  }

  async #findInit(): Promise<number> {
    const pid = this.#nspawn?.pid
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "")
    return Number(children.trim().split(" ")[0] ?? 0)
  }

  /** A power cut: everything ends at once, in the middle of what it does; the disk stays as it is. */
  async powerCut(): Promise<void> {
    const ended = new Promise(resolve => this.#nspawn?.once("exit", resolve))
    process.kill(await this.#findInit(), "SIGKILL")
    await ended
  }

  /** Runs a command inside, not by the network: how tests look at a host that cannot be reached. */
  inside(
    command: Command,
    stdin: string | Uint8Array = "",
  ): Promise<{ exit: number | null; stdout: string; stderr: string }> {
    return exec(["nsenter", "-t", String(this.#init), "-m", "-n", "-p", "-i", "-u", "--", ...command], {
      stdin,
    })
  }

  /** Whether sshd answers at an address, from the other end of the wire. */
  async answers(address: string): Promise<boolean> {
    // See openDoor of test/helpers/wiredHost.ts for --norc.
    const greet = `exec 3<>/dev/tcp/${address}/22 && head -c 7 <&3`
    const { stdout } = await exec([
      "ip",
      "netns",
      "exec",
      this.router,
      "timeout",
      "15",
      "bash",
      "--norc",
      "-c",
      greet,
    ])
    return stdout === "SSH-2.0"
  }

  /** The address that eth0 or the bridge has now: what a user would find in the lease. */
  connection(address: string): Connection {
    return new NamespaceConnection(this, address)
  }

  async stop(): Promise<void> {
    if (this.#nspawn && this.#nspawn.exitCode === null) await this.powerCut().catch(() => {})
    this.#dnsmasq?.kill("SIGKILL")
    await exec(["ip", "netns", "del", this.id])
    await exec(["ip", "netns", "del", this.router])
    await exec(["umount", this.root])
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/**
 * A connection as the plans see it. What runs is entered through the namespaces, but only while sshd answers at
 * the address over the wire: to lose the network is to lose the connection.
 */
class NamespaceConnection implements Connection {
  readonly name: string
  readonly #host: TestHost
  readonly #address: string

  constructor(host: TestHost, address: string) {
    this.#host = host
    this.#address = address
    this.name = `root@${address}:22`
  }

  async run(command: Command, options: RunOptions = {}): Promise<RunResult> {
    await this.#reach()
    const { stdin = "", expect = [0], onLine } = options
    const input = stdin instanceof Secret ? stdin.reveal() : stdin
    const { exit: code, stdout, stderr } = await this.#host.inside(command, input)
    for (const line of stdout.split("\n")) onLine?.(line, "stdout")
    if (code === null || !expect.includes(code))
      throw new RemoteCommandError(this.name, { command, exit: code, signal: null, stdout, stderr })
    return { exit: code, stdout, stderr }
  }

  async #reach(): Promise<void> {
    // As a real connection does, it tries once more before it gives up.
    for (let tries = 0; tries < 2; tries++) if (await this.#host.answers(this.#address)) return
    throw new ConnectError(this.name, "unreachable", `${this.name} does not answer`)
  }

  async upload(source: string | Uint8Array, path: string) {
    const bytes = typeof source === "string" ? await readFile(source) : source
    await this.#put(path, bytes)
    return { bytes: bytes.length, size: bytes.length, sha256: "" }
  }

  async writeFile(
    path: string,
    content: string | Uint8Array | Secret,
    options: { mode?: number } = {},
  ): Promise<void> {
    const text = content instanceof Secret ? content.reveal() : content
    await this.#put(path, text, options.mode)
  }

  async #put(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
    await this.#reach()
    const script = 'mkdir -p "$(dirname "$1")" && cat >"$1.new" && chmod "$2" "$1.new" && mv "$1.new" "$1"'
    await this.#host.inside(["sh", "-c", script, "sh", path, mode.toString(8)], content)
  }

  async fresh(): Promise<Connection> {
    await this.#reach()
    return this
  }

  async close(): Promise<void> {}
}
