import { execFile } from "node:child_process"
import { promisify } from "node:util"

const run = promisify(execFile)

/** The other end of a simulated host's wire, and the gateway of its network. */
export const gateway = "10.0.2.2"
/** The host's own address, on xenbr0. */
export const hostAddress = "10.0.2.15"
export const gatewayMac = "52:55:0a:00:02:02"

/**
 * The network of one host: its namespace with the bridge xenbr0, whose port eth0 is a wire to the namespace of a
 * router, from which everything on the bridge is reached. Addresses are those of the lab's machines; nothing of it is
 * seen from outside.
 */
export class Network {
  readonly host: string
  readonly router: string

  constructor(id: string) {
    this.host = id
    this.router = `${id}r`
  }

  async create(): Promise<void> {
    const lines = (text: string) => text.trim().replaceAll(/\n\s*/g, "\n")
    await run("ip", ["netns", "add", this.router])
    await run("ip", ["netns", "add", this.host])
    await this.#batch(
      this.host,
      lines(`
        link set lo up
        link add eth0 address 52:54:00:12:34:56 type veth peer name wire address ${gatewayMac} netns ${this.router}
        link add xenbr0 address 52:54:00:12:34:56 type bridge stp_state 0 forward_delay 0
        link set eth0 master xenbr0 up
        link set xenbr0 up
        address add ${hostAddress}/24 dev xenbr0
        address add 2001:db8::15/64 dev xenbr0 nodad
        route add default via ${gateway}`),
    )
    await this.#batch(
      this.router,
      lines(`
        link set lo up
        link set wire up
        address add ${gateway}/24 dev wire
        address add 2001:db8::2/64 dev wire nodad`),
    )
  }

  /** A request from the router's side, each over a connection of its own. Fails when none answers in time. */
  async fetch(address: string, path: string, seconds: number): Promise<string> {
    // /dev/tcp of bash: a process of milliseconds, where curl's libraries take longer to load. Without --norc bash takes
    // Node's pipe for a network connection, and reads the user's start-up file.
    const ask =
      'exec 3<>"/dev/tcp/$1/80" && printf "GET %s HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n" "$2" >&3 && cat <&3'
    const inRouter = ["netns", "exec", this.router, "timeout", String(seconds)]
    const { stdout } = await run("ip", [...inRouter, "bash", "--norc", "-c", ask, "bash", address, path])
    const body = stdout.indexOf("\r\n\r\n")
    if (body === -1 || !/^HTTP\/1\.[01] 200 /.test(stdout))
      throw new Error(`${address}${path} answered ${stdout.slice(0, 200) || "nothing"}`)
    return stdout.slice(body + 4)
  }

  /** What the router knows of its neighbours, and its connections. */
  async picture(): Promise<string> {
    const script = "ip neigh; ss -tan; nstat -asz TcpRetransSegs TcpExtListenDrops"
    const { stdout } = await run("ip", ["netns", "exec", this.router, "sh", "-c", script])
    return stdout
  }

  async remove(): Promise<void> {
    for (const name of [this.host, this.router]) await run("ip", ["netns", "del", name]).catch(() => {})
  }

  async #batch(namespace: string, lines: string): Promise<void> {
    const child = run("ip", ["-n", namespace, "-batch", "-"])
    child.child.stdin?.end(`${lines}\n`)
    await child
  }
}
