import { randomBytes } from "node:crypto"
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { exec } from "../../host/helpers/run.ts"
import { Saboteur } from "../saboteur.ts"
import { type Sshd, startSshd } from "../sshd.ts"
import { Door } from "./door.ts"
import { Hypervisor } from "./hypervisor.ts"
import { Network } from "./network.ts"
import { Operations } from "./operations.ts"
import { programs } from "./programs.ts"
import { Xl } from "./xl.ts"

export interface SimulatedHostOptions {
  /** MiB of the machine. Default 4096. */
  readonly memory?: number
  /** MiB of dom0. Default 1024. */
  readonly dom0Memory?: number
  /** Default 2. */
  readonly cpus?: number
  /** `false`: the kernel runs on bare metal. Default `true`. */
  readonly xen?: boolean
}

/**
 * A Xen host in namespaces of its own: a real sshd, a real bridge `xenbr0` (10.0.2.15/24; the gateway 10.0.2.2 is on
 * the test's side of its wire), a store and a console directory of its own, and an `xl` that keeps real state. A guest is
 * hello's network stack in a process, whatever its kernel; its `/` shows the kernel's SHA-256 as its build. Needs root.
 *
 *     await using host = await SimulatedHost.start()
 *     await host.inside("xl list")
 *     await host.fetch("10.0.2.20")
 */
export class SimulatedHost implements AsyncDisposable {
  readonly #sshd: Sshd
  readonly #door: Door
  readonly #directory: string
  readonly network: Network
  readonly saboteur: Saboteur
  readonly operations: Operations
  readonly xen: Hypervisor
  readonly xl: Xl
  /** The `connection` input of a resource. */
  readonly connection: { host: string; port: number; user: string; privateKeyPath: string; hostKey: string }
  /** Another one, which leads through `saboteur`. */
  readonly sabotaged: SimulatedHost["connection"]

  private constructor(parts: {
    sshd: Sshd
    door: Door
    directory: string
    network: Network
    saboteur: Saboteur
    operations: Operations
    xen: Hypervisor
    xl: Xl
  }) {
    this.#sshd = parts.sshd
    this.#door = parts.door
    this.#directory = parts.directory
    this.network = parts.network
    this.saboteur = parts.saboteur
    this.operations = parts.operations
    this.xen = parts.xen
    this.xl = parts.xl
    const { host, port, user, keyPath: privateKeyPath, hostKey } = parts.sshd
    this.connection = { host, port, user, privateKeyPath, hostKey }
    this.sabotaged = { ...this.connection, port: parts.saboteur.port }
  }

  static async start(options: SimulatedHostOptions = {}): Promise<SimulatedHost> {
    const { memory = 4096, dom0Memory = 1024, cpus = 2, xen: onXen = true } = options
    const built = await programs()
    const directory = mkdtempSync(join(tmpdir(), "simulated-xen-"))
    const network = new Network(`sx${randomBytes(3).toString("hex")}`)
    await network.create()
    const commands = join(directory, "sbin")
    mkdirSync(commands)
    for (const name of onXen ? ["xl", "simulated-operation"] : ["simulated-operation"]) {
      copyFileSync(built.client, join(commands, name))
      chmodSync(join(commands, name), 0o755)
    }
    copyFileSync(built.paths, join(directory, "paths.so"))
    writeFileSync(join(directory, "enter.sh"), ENTER)
    const words = [directory, `/run/netns/${network.host}`, onXen ? "xen" : "metal"]
    const sshd = await startSshd({
      config: ["ForceCommand /usr/sbin/simulated-operation", "Subsystem sftp /usr/lib/openssh/sftp-server"],
      within: [
        // It ends with the process of the test, however that ends.
        ...["setpriv", "--pdeathsig", "KILL"],
        ...["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
        ...["sh", "-eu", join(directory, "enter.sh"), ...words],
      ],
    })
    const xen = new Hypervisor({
      file: path => inside(`/proc/${sshd.pid}/root`, path),
      namespace: `/run/netns/${network.host}`,
      guest: built.guest,
      ...{ memory, dom0Memory, cpus },
    })
    const operations = new Operations()
    const xl = new Xl(xen)
    const door = await Door.open(
      join(directory, "socket"),
      (args, cwd, gone) => xl.answer(args, cwd, gone),
      operations,
    )
    const saboteur = await Saboteur.before(sshd.port)
    return new SimulatedHost({ sshd, door, directory, network, saboteur, operations, xen, xl })
  }

  /** A path of the host, as one of this machine. */
  file(path: string): string {
    return this.xen.hardware.file(path)
  }

  /** The host's /var/lib/pulumi-xen, as a path of this machine. */
  get store(): string {
    return this.file("/var/lib/pulumi-xen")
  }

  /** Runs a POSIX script in the host, not over SSH and so no operation, and returns what it printed. */
  async inside(script: string): Promise<string> {
    const { exit, stdout, stderr } = await this.attempt(script)
    if (exit !== 0) throw new Error(`in ${this.network.host}: exit ${exit}: ${stderr}`)
    return stdout
  }

  /** The same, where a failure is an answer. */
  attempt(script: string): Promise<{ exit: number | null; stdout: string; stderr: string }> {
    const { pid } = this.#sshd
    const enter = ["nsenter", "-t", String(pid), "-m", `--pid=/proc/${pid}/ns/pid_for_children`]
    enter.push(`--net=/run/netns/${this.network.host}`)
    // Not what npm puts into the path, where an `nft` is something else.
    const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return exec([...enter, "--", "env", path, "sh", "-eu", "-s"], { stdin: script })
  }

  /** What a guest answers to somebody on the other end of the host's wire. */
  fetch(address: string, path = "/", { seconds = 60 } = {}): Promise<string> {
    return this.network.fetch(address, path, seconds)
  }

  /** What sshd has written. */
  log(): string {
    return this.#sshd.log()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.saboteur.close()
    await this.xen.end()
    // unshare(1) keeps SIGTERM from itself while it waits; with it all ends that runs in its namespaces.
    process.kill(this.#sshd.pid, "SIGKILL")
    await this.#sshd.stop()
    await this.#door.close()
    await this.network.remove()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/**
 * Where a path of the host lies for us. Links are followed one by one: an absolute one leads on from the host's
 * root, where the kernel would lead from ours.
 */
function inside(root: string, path: string): string {
  let reached = ""
  const left = path.split("/").filter(Boolean)
  for (let links = 0; left.length > 0; ) {
    const next = resolve("/", reached, left.shift()!)
    const link = linkAt(root + next)
    if (link === undefined || ++links > 40) reached = next
    else {
      if (link.startsWith("/")) reached = ""
      left.unshift(...link.split("/").filter(part => part !== "" && part !== "."))
    }
  }
  return root + reached
}

function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

/** Makes a mount namespace into the host's file system, and becomes the command that it is given. */
const ENTER = `
directory=$1 namespace=$2 kernel=$3
shift 3
mkdir "$directory/fs"
mount -t tmpfs -o mode=755 tmpfs "$directory/fs"
cd "$directory/fs"
mkdir lib log root run etc etc.work run/simulated-xen run/sshd run/lock run/netns log/xen log/xen/console
touch run/simulated-xen/net
mount --bind "$namespace" run/simulated-xen/net
ln -s "$directory/socket" run/simulated-xen/socket
if [ "$kernel" = xen ]; then
  mkdir run/simulated-xen/proc run/simulated-xen/sys
  echo control_d >run/simulated-xen/proc/capabilities
  echo xen >run/simulated-xen/sys/type
fi
mount --rbind run /run
mount --bind lib /var/lib
mount --bind log /var/log
mount --bind root /root
mount -t overlay overlay -o lowerdir=/etc,upperdir="$directory/fs/etc",workdir="$directory/fs/etc.work" /etc
mount -t overlay overlay -o lowerdir="$directory/sbin":/usr/sbin /usr/sbin
nsenter --net=/run/simulated-xen/net mount -t sysfs sysfs /sys
od -An -N16 -tx1 /dev/urandom | tr -d ' \\n' >/etc/machine-id
echo "$directory/paths.so" >/etc/ld.so.preload
exec "$@"
`
