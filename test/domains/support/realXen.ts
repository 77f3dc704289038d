import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { Agent } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Properties } from "../../../provider/rpc/value.ts"
import { type TestMachine, xenMachine } from "../../helpers/lab.ts"
import { type Made, ProviderUnderTest } from "../../helpers/provider.ts"
import { make } from "../../unikernels/support/build.ts"
import { once } from "../../unikernels/support/requests.ts"

export const address = "10.0.2.20"
export const urn = "urn:pulumi:s::p::xen:index:Domain::www"

/** What requests came to: why some failed, milliseconds of the slowest, and how many there were. */
export type Load = { readonly failed: readonly string[]; readonly slowest: number; readonly count: number }

/** A machine of the lab that runs Xen, the provider, and hello as the domain `www`. */
export class RealXen implements AsyncDisposable {
  readonly machine: TestMachine
  readonly provider: ProviderUnderTest
  readonly #folder: string
  readonly #kernels = new Map<string, string>()
  #state: Made | undefined

  private constructor(machine: TestMachine, provider: ProviderUnderTest, folder: string) {
    this.machine = machine
    this.provider = provider
    this.#folder = folder
  }

  /** @param forwards further ways behind the machine */
  static async start(...forwards: { address: string; to: number }[]): Promise<RealXen> {
    const folder = await mkdtemp(join(tmpdir(), "real-xen-"))
    const machine = await xenMachine({ forwards: [{ address, to: 80 }, ...forwards] })
    return new RealXen(machine, await ProviderUnderTest.start(), folder)
  }

  get connection() {
    const { host, port, user, hostKey, privateKeyPath } = this.machine.host
    // An emulated machine beside others may be silent for longer than the ten seconds of the default.
    return { host, port, user, hostKey, privateKeyPath, connectTimeout: 60_000 }
  }

  /** The path on the host of a kernel that `make VERSION=…` has built. */
  async kernel(version: string): Promise<string> {
    const known = this.#kernels.get(version)
    if (known) return known
    const dist = join(this.#folder, version)
    await make("all", dist, { VERSION: version })
    const inputs = { connection: this.connection, source: join(dist, "hello.xen") }
    const made = await this.provider.create(`urn:pulumi:s::p::xen:index:Kernel::${version}`, inputs)
    const path = made.outputs.path as string
    this.#kernels.set(version, path)
    return path
  }

  /** `pulumi up`: creates `www`, or brings it to what is given. */
  async deploy(given: Properties): Promise<Made> {
    this.#state = await (this.#state
      ? this.provider.update(urn, this.#state, given)
      : this.provider.create(urn, given))
    return this.#state
  }

  /** How `www` was left by what was done last. */
  get state(): Made {
    if (this.#state === undefined) throw new Error("www has not been deployed yet.")
    return this.#state
  }

  set state(state: Made) {
    this.#state = state
  }

  /** The inputs of `www`, which shows `version`; hello itself is of version 1.0.0. */
  async given(version: string, more: Properties = {}, ...args: string[]): Promise<Properties> {
    return {
      connection: this.connection,
      name: "www",
      kernel: await this.kernel("1.0.0"),
      networks: [{ bridge: "xenbr0" }],
      addresses: [`${address}/24`],
      gateways: ["10.0.2.2"],
      arguments: [`--ipv4=${address}/24`, "--ipv4-gateway=10.0.2.2", `--version-text=${version}`, ...args],
      health: { http: { path: "/health" }, settle: 0, timeout: 120 },
      drain: 1,
      probation: 1,
      ...more,
    }
  }

  /** Where the domain answers, from outside the machine. */
  get url(): string {
    return `http://127.0.0.1:${this.machine.forward(address, 80)}`
  }

  /**
   * Requests from outside the machine, eight at a time, each on a connection of its own, until told to stop. Each of the
   * eight rests for `pause` milliseconds between two, which leaves an emulated machine time for its other work; what is
   * missing to `least` at the end comes without a rest.
   */
  requests(least: number, pause = 1200): { stop: () => Promise<Load> } {
    const total = { failed: [] as string[], slowest: 0, count: 0 }
    const agent = new Agent({ keepAlive: false })
    let going = true
    const worker = async () => {
      while (going || total.count < least) {
        total.count++
        const began = performance.now()
        await once(`${this.url}/health`, agent).catch((error: Error) => total.failed.push(error.message))
        total.slowest = Math.max(total.slowest, performance.now() - began)
        if (going) await sleep(pause)
      }
    }
    const done = Promise.all(Array.from({ length: 8 }, worker))
    return {
      stop: async () => {
        going = false
        await done
        return total
      },
    }
  }

  async fetch(path = "/"): Promise<string> {
    const answer = await fetch(`${this.url}${path}`, { signal: AbortSignal.timeout(60_000) })
    return await answer.text()
  }

  /** What version answers. */
  async version(): Promise<string> {
    const answer = await this.fetch()
    const version = /^version: (.*)$/m.exec(answer)?.[1]
    if (version === undefined) throw new Error(`It answers without its version: ${answer}`)
    return version
  }

  /** Waits some minutes until the domain answers with a version. */
  async serves(version: string): Promise<boolean> {
    for (let tries = 0; tries < 600; tries++) {
      if ((await this.version().catch(() => undefined)) === version) return true
      await sleep(500)
    }
    return false
  }

  /** Names of the domains beside dom0. */
  async domains(): Promise<string[]> {
    const lines = (await this.machine.run("xl list | sed 1,2d")).trim().split("\n")
    return lines
      .map(line => line.split(/\s+/)[0] ?? "")
      .filter(Boolean)
      .sort()
  }

  async uuid(): Promise<string> {
    return (await this.machine.run("xl list -v | grep '^www ' | grep -oE '[0-9a-f-]{36}'")).trim()
  }

  /** What an update leaves on the host's network when it leaves nothing behind: one port for each interface that serves. */
  async network(): Promise<{ ports: number; leftOvers: string }> {
    const ports = await this.machine.run("ls /sys/class/net/xenbr0/brif | grep -c '^v' || true")
    const leftOvers = await this.machine.run(
      "ip netns list; nft list tables; ls /sys/class/net | grep '^x[sg]' || true; bridge fdb show | grep sticky || true",
    )
    return { ports: Number(ports), leftOvers }
  }

  /** What `pulumi import` reads of a domain. */
  async imported(name: string): Promise<Made> {
    const { host, user, port, privateKeyPath, hostKey } = this.connection
    const knownHosts = join(this.#folder, "known_hosts")
    await writeFile(knownHosts, `[${host}]:${port} ${hostKey}\n`)
    await this.provider.client.configure({ privateKeyPath, knownHosts: [knownHosts] })
    return await this.provider.client.read(urn, `ssh://${user}@${host}:${port}/domains/${name}`)
  }

  /** What `pulumi refresh` makes of the state. */
  async refresh(): Promise<Made> {
    return { ...this.state, ...(await this.provider.client.read(urn, this.state.id, this.state)) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.provider[Symbol.asyncDispose]()
    await this.machine[Symbol.asyncDispose]()
    await rm(this.#folder, { recursive: true, force: true })
  }
}
