import { type Sshd, startSshd } from "../../../test/helpers/sshd.ts"
import { freePort } from "../../lab/ports.ts"
import { cpuOfChildren } from "./cpu.ts"

/** OpenSSH listens at 16 addresses at most (MAX_LISTEN_SOCKS of sshd.c). */
const ADDRESSES = 15

/** How one of the hosts is reached, as the `connection` of a resource. */
export interface HostToAsk {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly privateKeyPath: string
  readonly hostKey: string
}

/** Hosts that are addresses of the loopback network, and one machine. What is written there is kept to themselves. */
export class LoopbackHosts implements AsyncDisposable {
  readonly #servers: readonly Sshd[]
  readonly hosts: readonly HostToAsk[]

  private constructor(servers: readonly Sshd[], addresses: readonly string[]) {
    this.#servers = servers
    this.hosts = addresses.map((host, at) => {
      const { port, user, keyPath, hostKey } = servers[Math.floor(at / ADDRESSES)]!
      return { host, port, user, privateKeyPath: keyPath, hostKey }
    })
  }

  static async start(count: number): Promise<LoopbackHosts> {
    const addresses = Array.from({ length: count }, (_, index) => `127.0.1.${index + 1}`)
    const hide = 'mkdir -p /var/lib/pulumi-xen && mount -t tmpfs tmpfs /var/lib/pulumi-xen && exec "$@"'
    const within = ["unshare", "--mount", "sh", "-c", hide, "sh"]
    const servers: Sshd[] = []
    for (let first = 0; first < count; first += ADDRESSES) {
      const [host, ...others] = addresses.slice(first, first + ADDRESSES)
      const port = await freePort()
      const config = [...others.map(address => `ListenAddress ${address}:${port}`), "MaxStartups 500"]
      servers.push(await startSshd({ host: host!, port, config, within }))
    }
    return new LoopbackHosts(servers, addresses)
  }

  /** A directory that ends with the servers. */
  get directory(): string {
    return this.#servers[0]!.directory
  }

  /** Seconds of CPU that what the servers started has taken until now. */
  cpu(): number {
    return this.#servers.reduce((sum, { pid }) => sum + cpuOfChildren(pid), 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map(server => server.stop()))
  }
}
