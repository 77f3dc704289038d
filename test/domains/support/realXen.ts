import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Properties } from "../../../provider/rpc/value.ts"
import { type TestMachine, xenMachine } from "../../helpers/lab.ts"
import { type Made, ProviderUnderTest } from "../../helpers/provider.ts"
import { make } from "../../unikernels/support/build.ts"

export const address = "10.0.2.20"
export const urn = "urn:pulumi:s::p::xen:index:Domain::www"

/** A machine of the lab that runs Xen, the provider, and hello as the domain `www`. */
export class RealXen implements AsyncDisposable {
  readonly machine: TestMachine
  readonly provider: ProviderUnderTest
  readonly #folder: string
  readonly #kernels = new Map<string, string>()

  private constructor(machine: TestMachine, provider: ProviderUnderTest, folder: string) {
    this.machine = machine
    this.provider = provider
    this.#folder = folder
  }

  static async start(): Promise<RealXen> {
    const folder = await mkdtemp(join(tmpdir(), "real-xen-"))
    const machine = await xenMachine({ forwards: [{ address, to: 80 }] })
    return new RealXen(machine, await ProviderUnderTest.start(), folder)
  }

  get connection() {
    const { host, port, user, hostKey, privateKeyPath } = this.machine.host
    return { host, port, user, hostKey, privateKeyPath }
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
      drain: 2,
      probation: 2,
      ...more,
    }
  }

  /** Where the domain answers, from outside the machine. */
  get url(): string {
    return `http://127.0.0.1:${this.machine.forward(address, 80)}`
  }

  async fetch(path = "/"): Promise<string> {
    const answer = await fetch(`${this.url}${path}`, { signal: AbortSignal.timeout(60_000) })
    return await answer.text()
  }

  async version(): Promise<string | undefined> {
    return /^version: (.*)$/m.exec(await this.fetch())?.[1]
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

  refresh = async (state: Made): Promise<Made> => ({
    ...state,
    ...(await this.provider.client.read(urn, state.id, state)),
  })

  async [Symbol.asyncDispose](): Promise<void> {
    await this.provider[Symbol.asyncDispose]()
    await this.machine[Symbol.asyncDispose]()
    await rm(this.#folder, { recursive: true, force: true })
  }
}
