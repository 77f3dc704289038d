import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Server } from "node:net"
import { join } from "node:path"
import { packageServer } from "../../../scripts/lab/packages.ts"
import { hostImage } from "../../host/helpers/image.ts"
import { exec, must } from "../../host/helpers/run.ts"
import { tie } from "./tie.ts"
import { tied } from "./tied.ts"

/** As QEMU's network has them: the disk's Debian asks them for its address and its packages. */
const MAC = "52:54:00:12:34:56"
const ADDRESS = "10.0.2.15"
const GATEWAY = "10.0.2.2"
const PACKAGES = "10.0.2.9"

/**
 * The network of one native machine: eth0 in a namespace of its own, and a router at the other end of the wire, with DHCP and
 * the lab's package server. From this machine only a port of 127.0.0.1 leads to its sshd.
 */
export class NativeNetwork {
  readonly host: string
  readonly #router: string
  readonly #directory: string
  readonly #servers: Server[] = []
  readonly #programs: ChildProcess[] = []
  /** Of 127.0.0.1: it leads to the machine's sshd. */
  port = 0

  /** `directory`: for sockets; it stays as long as the network. */
  constructor(id: string, directory: string) {
    this.host = id
    this.#router = `${id}r`
    this.#directory = directory
  }

  async create(): Promise<void> {
    await must(["ip", "netns", "add", this.#router])
    await must(["ip", "netns", "add", this.host])
    const wire = `type veth peer name wire netns ${this.#router}`
    await must(["ip", "-n", this.host, ...`link add eth0 address ${MAC} ${wire}`.split(" ")])
    const router = [
      `addr add ${GATEWAY}/24 dev wire`,
      `addr add ${PACKAGES}/24 dev wire`,
      "link set wire up",
      "link set lo up",
    ]
    await must(["ip", "-n", this.#router, "-batch", "-"], `${router.join("\n")}\n`)
    await this.#serveDhcp()
    await this.#lead()
  }

  async #serveDhcp(): Promise<void> {
    const options = [
      "--keep-in-foreground --conf-file=/dev/null --port=0 --interface=wire --bind-interfaces --user=root",
      `--leasefile-ro --pid-file= --no-ping --dhcp-range=${ADDRESS},${ADDRESS},1h`,
      // By the MAC address alone, as QEMU does: after a power cut the bridge's client is another one than the card's.
      `--dhcp-host=${MAC},id:*,${ADDRESS} --dhcp-option=option:dns-server,${GATEWAY}`,
    ]
    const dnsmasq = ["chroot", await hostImage(), "dnsmasq", ...options.join(" ").split(" ")]
    this.#programs.push(tied(["ip", "netns", "exec", this.#router, ...dnsmasq]))
  }

  /** The ways in to the machine's sshd and out to its packages. */
  async #lead(): Promise<void> {
    const [ssh, packages] = [join(this.#directory, "ssh.socket"), join(this.#directory, "packages.socket")]
    const relay = [process.execPath, join(import.meta.dirname, "relay.ts"), ADDRESS, ssh, PACKAGES, packages]
    const running = tied(["ip", "netns", "exec", this.#router, ...relay], "pipe")
    this.#programs.push(running)
    const front = createServer({ allowHalfOpen: true }, client => tie(client, connect(ssh)))
    this.#servers.push(packageServer().listen(packages), front.listen(0, "127.0.0.1"))
    await Promise.all([once(running.stdout!, "data"), once(front, "listening")])
    this.port = (front.address() as AddressInfo).port
  }

  /** A machine that starts has no links but its card; a namespace keeps what was made in it. */
  async forgetLinks(): Promise<void> {
    const script = `
      for link in $(ls /sys/class/net); do case $link in lo | eth0) ;; *) ip link del "$link" ;; esac; done
      ip link set eth0 down nomaster
      ip addr flush dev eth0`
    await must(["ip", "netns", "exec", this.host, "sh", "-euc", script])
  }

  async remove(): Promise<void> {
    for (const server of this.#servers) server.close()
    for (const program of this.#programs) program.kill("SIGKILL")
    for (const name of [this.#router, this.host]) await exec(["ip", "netns", "del", name])
  }
}
