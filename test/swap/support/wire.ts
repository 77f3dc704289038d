import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface, type Interface } from "node:readline"
import type { Command, Connection, RunOptions, RunResult } from "../../../provider/ssh/index.ts"
import { RemoteCommandError } from "../../../provider/ssh/index.ts"
import { exec, must } from "../../host/helpers/run.ts"

export const ADDRESS4 = "192.0.2.7"
export const ADDRESS6 = "2001:db8::7"
export const GATEWAY4 = "192.0.2.1"
export const GATEWAY6 = "2001:db8::1"
export const MAC = "00:16:3e:00:00:07"
export const BRIDGE = "xenbr0"

/** A host's own programs: npm puts programs of other people before them, one of which is called nft too. */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/** A station on the host's bridge: the gateway behind the uplink, another guest, or a generation of the domain. */
export class Station {
  /** Its network namespace. */
  readonly namespace: string
  /** Its interface's other end, in the host. */
  readonly port: string

  constructor(namespace: string, port: string) {
    this.namespace = namespace
    this.port = port
  }

  /** Starts one of the programs beside this file in it. */
  node(program: string, ...args: string[]): Program {
    const file = join(import.meta.dirname, program)
    return new Program("ip", ["netns", "exec", this.namespace, process.execPath, file, ...args])
  }

  ip(...words: string[]): Promise<string> {
    return must(["ip", "-n", this.namespace, ...words])
  }
}

/** A program that is told things and tells things, a line each. */
export class Program {
  readonly process: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #reader: Interface

  constructor(command: string, args: string[]) {
    this.process = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] })
    this.process.stdin?.on("error", () => {})
    this.#reader = createInterface(this.process.stdout!)
    this.#lines = this.#reader[Symbol.asyncIterator]()
  }

  /** The next line. */
  async hears(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`${this.process.spawnargs.join(" ")} has ended`)
    return value
  }

  async ask(line: string): Promise<string> {
    this.process.stdin?.write(`${line}\n`)
    return await this.hears()
  }

  async end(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    const ended = once(this.process, "exit")
    this.process.kill("SIGKILL")
    await ended
  }
}

/**
 * A host in a network namespace: a bridge with the host's own address, an uplink to the gateway, another guest, and
 * what generations of the domain are plugged in. It has a /run and an /etc of its own, and as `xl` what a test writes.
 */
export class Host implements AsyncDisposable {
  readonly id = `s${process.pid}${Math.random().toString(36).slice(2, 6)}`
  readonly #stations: Station[] = []
  #directory = ""
  #holder!: Program
  gateway!: Station
  neighbour!: Station
  /** The host itself, as one that asks. */
  readonly dom0 = new Station(this.id, BRIDGE)
  /** The ports that are none of the domain's. */
  readonly others = ["vgw", "vnb"]

  static async start(): Promise<Host> {
    const host = new Host()
    try {
      await host.#create()
    } catch (error) {
      await host[Symbol.asyncDispose]()
      throw error
    }
    return host
  }

  async #create(): Promise<void> {
    this.#directory = await mkdtemp(join(tmpdir(), "swap-"))
    await mkdir(join(this.#directory, "bin"))
    await this.xl("Name ID Mem VCPUs State Time(s) UUID Reason-Code Security Label")
    await must(["ip", "netns", "add", this.id])
    const etc = "overlay -o lowerdir=/etc,upperdir=/run/etc,workdir=/run/etc.work /etc"
    const keep = `mount -t tmpfs tmpfs /run && mkdir /run/etc /run/etc.work && mount -t overlay ${etc} && echo ready && exec sleep infinity`
    this.#holder = new Program("ip", ["netns", "exec", this.id, "sh", "-c", keep])
    await this.#holder.hears()
    await this.sh(`
      ip link set lo up
      ip link add ${BRIDGE} address 02:00:00:00:00:02 type bridge
      ip link set ${BRIDGE} up
      ip addr add 192.0.2.2/24 dev ${BRIDGE}
      ip addr add 2001:db8::2/64 dev ${BRIDGE} nodad`)
    this.gateway = await this.plug("gw", "02:00:00:00:00:01", [`${GATEWAY4}/24`, `${GATEWAY6}/64`])
    this.neighbour = await this.plug("nb", "02:00:00:00:00:09", ["192.0.2.9/24", "2001:db8::9/64"])
  }

  /** A generation of the domain: the domain's own address and MAC, on a bridge or on none. */
  generation(name: string, bridge?: string): Promise<Station> {
    return this.plug(name, MAC, [`${ADDRESS4}/24`, `${ADDRESS6}/64`], bridge ?? "")
  }

  async plug(name: string, mac: string, addresses: string[], bridge = BRIDGE): Promise<Station> {
    const station = new Station(`${this.id}${name}`, `v${name}`)
    this.#stations.push(station)
    await must(["ip", "netns", "add", station.namespace])
    await must([
      ...["ip", "-n", this.id, "link", "add", station.port, "type", "veth"],
      ...["peer", "name", "eth0", "netns", station.namespace],
    ])
    await station.ip("link", "set", "lo", "up")
    await station.ip("link", "set", "eth0", "address", mac, "up")
    for (const address of addresses)
      await station.ip("addr", "add", address, "dev", "eth0", ...(address.includes(":") ? ["nodad"] : []))
    await this.sh(
      `echo 1 >/proc/sys/net/ipv6/conf/${station.port}/disable_ipv6; ip link set ${station.port} up` +
        (bridge ? ` master ${bridge}` : ""),
    )
    return station
  }

  /** The domain ends: its interface is gone. */
  async unplug(station: Station): Promise<void> {
    this.#stations.splice(this.#stations.indexOf(station), 1)
    await exec(["ip", "-n", this.id, "link", "del", station.port])
    await exec(["ip", "netns", "del", station.namespace])
  }

  get pid(): number {
    return this.#holder.process.pid!
  }

  /** What `xl list -v` prints from now on. */
  async xl(list: string): Promise<void> {
    await writeFile(join(this.#directory, "list"), `${list}\n`)
    const path = join(this.#directory, "bin/xl")
    await writeFile(path, `#!/bin/sh\nexec cat ${this.#directory}/list\n`, { mode: 0o755 })
  }

  /** Where a test may write what the host reads. */
  get directory(): string {
    return this.#directory
  }

  /** Runs a POSIX script in the host. */
  async sh(script: string): Promise<string> {
    return (await this.connection.run(["sh", "-eu", "-c", script])).stdout
  }

  /** The ports of a bridge. */
  async ports(bridge = BRIDGE): Promise<string[]> {
    return (await this.sh(`ls /sys/class/net/${bridge}/brif`)).split("\n").filter(Boolean).sort()
  }

  readonly connection: Connection = new LocalConnection(this)

  /** The same host without some programs. */
  async without(...programs: string[]): Promise<LocalConnection> {
    const bin = await mkdtemp(join(this.#directory, "path-"))
    const every =
      "sh bash ip bridge nft cat chmod sync sed awk grep sleep flock mkdir mv setsid date head base64 tail timeout"
    for (const name of every.split(" ").filter(name => !programs.includes(name)))
      await symlink(
        (await must(["env", `PATH=${PATH}`, "sh", "-c", `command -v ${name}`])).trim(),
        join(bin, name),
      )
    return new LocalConnection(this, bin)
  }

  /** Puts a shell script where the host looks for programs: all of it, or one that lacks some. */
  async program(
    { path }: Connection & { readonly path?: string | undefined },
    name: string,
    script: string,
  ): Promise<void> {
    const folder = path ?? join(this.#directory, "bin")
    await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Programs of the stations, and switches that go on by themselves, end with their host.
    for (const namespace of [...this.#stations.map(station => station.namespace), this.id]) {
      const { stdout } = await exec(["ip", "netns", "pids", namespace])
      for (const pid of stdout.split("\n").filter(Boolean)) await exec(["kill", "-KILL", pid])
      await exec(["ip", "netns", "del", namespace])
    }
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/** A connection that cannot be lost: commands run in the host's namespaces. */
class LocalConnection implements Connection {
  readonly name = "root@host:22"
  readonly #host: Host
  readonly path: string | undefined

  constructor(host: Host, path?: string) {
    this.#host = host
    this.path = path
  }

  async run(command: Command, { stdin = "", expect = [0], timeout }: RunOptions = {}): Promise<RunResult> {
    const path = this.path ?? `${join(this.#host.directory, "bin")}:${PATH}`
    const enter = [
      "nsenter",
      "-t",
      String(this.#host.pid),
      "-m",
      "-n",
      "--",
      "setsid",
      "-w",
      "env",
      `PATH=${path}`,
      "LC_ALL=C",
    ]
    const input = typeof stdin === "string" ? stdin : ""
    const result = await exec([...enter, ...command], { stdin: input, ...(timeout ? { timeout } : {}) })
    const { exit, stdout, stderr } = result
    if (exit === null || !expect.includes(exit))
      throw new RemoteCommandError(this.name, { command, exit, signal: null, stdout, stderr })
    return { exit, stdout, stderr }
  }

  upload(): Promise<never> {
    throw new Error("nothing is uploaded")
  }

  writeFile(): Promise<never> {
    throw new Error("nothing is written")
  }

  async fresh(): Promise<Connection> {
    return this
  }

  async close(): Promise<void> {}
}
