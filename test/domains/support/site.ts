import { createHash } from "node:crypto"
import { mkdirSync, readdirSync, writeFileSync } from "node:fs"
import type { ExecutionContext } from "ava"
import type { Properties } from "../../../provider/rpc/value.ts"
import { pvhKernel } from "../../helpers/kernels.ts"
import { ProviderUnderTest } from "../../helpers/provider.ts"
import { SimulatedHost, type SimulatedHostOptions } from "../../helpers/simulatedXen/host.ts"

export const address = "10.0.2.20"
export const urn = "urn:pulumi:s::p::xen:index:Domain::www"

/** What the domain answers. */
export interface Answer {
  readonly version: string
  /** The kernel's SHA-256. */
  readonly build: string
  /** Seconds since it began to serve. */
  readonly uptime: number
}

/** A simulated host, the provider, and a domain `www` with one address and a version that it shows. */
export class Site implements AsyncDisposable {
  readonly host: SimulatedHost
  readonly provider: ProviderUnderTest

  private constructor(host: SimulatedHost, provider: ProviderUnderTest) {
    this.host = host
    this.provider = provider
  }

  static async start(options: SimulatedHostOptions = {}): Promise<Site> {
    return new Site(await SimulatedHost.start(options), await ProviderUnderTest.start())
  }

  /** The inputs of `www`, with waits as short as they can be. */
  given(version: string, more: Properties = {}): Properties {
    return {
      connection: { ...this.host.connection },
      name: "www",
      kernel: this.kernel(version),
      memory: 32,
      networks: [{ bridge: "xenbr0" }],
      addresses: [`${address}/24`],
      gateways: ["10.0.2.2"],
      arguments: [`--ipv4=${address}/24`, "--ipv4-gateway=10.0.2.2", `--version-text=${version}`],
      health: { http: { path: "/health" }, settle: 0, interval: 0.1, timeout: 10 },
      drain: 1,
      probation: 1,
      shutdownTimeout: 2,
      ...more,
    }
  }

  /** Puts a kernel into the host's store; each content is another kernel. */
  kernel(content: string): string {
    const bytes = pvhKernel(content)
    const digest = createHash("sha256").update(bytes).digest("hex")
    mkdirSync(`${this.host.store}/kernels`, { recursive: true })
    writeFileSync(`${this.host.store}/kernels/${digest}`, bytes)
    return `/var/lib/pulumi-xen/kernels/${digest}`
  }

  async answer(at = address): Promise<Answer> {
    const text = await this.host.fetch(at)
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(text)?.[1] ?? ""
    return { version: field("version"), build: field("build"), uptime: Number.parseFloat(field("uptime")) }
  }

  /** Names of the domains that run. */
  domains(): string[] {
    return [...this.host.xen.domains.values()].map(({ name }) => name).sort()
  }

  /** The domain www, where it runs. */
  get www() {
    return this.host.xen.find("www")
  }

  /** Files of the domain's folder in the store, empty when there is none. */
  stored(name = "www"): string[] {
    try {
      return readdirSync(`${this.host.store}/domains/${name}`).sort()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return []
      throw error
    }
  }

  /** Bridges, namespaces and rules that are left of an update; none is what there should be. */
  async leftOvers(): Promise<string[]> {
    const script = `
      ls /sys/class/net | grep -v -x -e lo -e eth0 -e xenbr0 || :
      ip netns list
      nft list tables`
    const ports = [...this.host.xen.domains.values()].flatMap(({ vifs }) => vifs.map(({ name }) => name))
    const lines = (await this.host.inside(script)).split("\n").filter(Boolean)
    return lines.filter(line => !ports.includes(line))
  }

  /** Ports of the bridge that lead to domains: more than one for an address is what must not last. */
  async portsOnBridge(): Promise<string[]> {
    return (await this.host.inside("ls /sys/class/net/xenbr0/brif"))
      .split("\n")
      .filter(port => /^v/.test(port))
  }

  /** One domain serves the version, and nothing is left of the way there. */
  async assertServes(t: ExecutionContext<unknown>, version: string, story: string): Promise<void> {
    t.deepEqual(this.domains(), ["www"], story)
    t.is((await this.answer()).version, version, story)
    t.is((await this.portsOnBridge()).length, 1, story)
    t.deepEqual(await this.leftOvers(), [], story)
    const torn = this.stored().filter(
      file => !/^(owner|history|current|busy|lock|autostart|[0-9a-f]{12}\.(cfg|json))$/.test(file),
    )
    t.deepEqual(torn, [], story)
  }

  /** Nothing of the domain is left on the host. */
  async assertGone(t: ExecutionContext<unknown>, story: string): Promise<void> {
    t.deepEqual(this.domains(), [], story)
    t.deepEqual(this.stored(), [], story)
    t.deepEqual(await this.portsOnBridge(), [], story)
    t.deepEqual(await this.leftOvers(), [], story)
  }

  /** All that can be seen of the host: for whoever has to find out why a test failed. */
  async picture(): Promise<string> {
    const script = `
      xl list -v
      ls -l /var/lib/pulumi-xen/domains/*
      bridge link
      bridge fdb show
      ip netns list
      ip neigh
      nft list ruleset
      tail -n 3 /var/log/xen/console/*
      ps axf`
    const { stdout, stderr } = await this.host.attempt(`set +e\n${script}`)
    const lines = this.provider.engine.lines.slice(-10).map(({ message }) => message)
    const router = await this.host.network.picture()
    return [stdout, stderr, router, ...this.host.xl.lines.map(line => `xl ${line}`), ...lines].join("\n")
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.provider[Symbol.asyncDispose]()
    await this.host[Symbol.asyncDispose]()
  }
}
