import type { Properties } from "../../../provider/rpc/value.ts"
import type { Made, ProviderUnderTest } from "../../helpers/provider.ts"
import { Site } from "./site.ts"
export const address = "10.0.2.20"
export const urn = "urn:pulumi:s::p::xen:index:Domain::www"
export class RealXen {
  site: Site
  machine: any
  constructor(s: Site) {
    this.site = s
    this.machine = { run: (x: string) => s.host.inside(x), host: s.host.connection, reboot: async () => {} }
  }
  static async start() {
    return new RealXen(await Site.start())
  }
  get provider(): ProviderUnderTest {
    return this.site.provider
  }
  get connection() {
    return this.site.host.connection
  }
  async kernel(v: string) {
    return this.site.kernel(v)
  }
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
  get url() {
    return "x"
  }
  async fetch(path = "/") {
    return await this.site.host.fetch(address, path)
  }
  async version() {
    return /^version: (.*)$/m.exec(await this.fetch())?.[1]
  }
  async serves(version: string) {
    for (let i = 0; i < 60; i++) {
      if ((await this.version().catch(() => undefined)) === version) return true
      await new Promise(d => setTimeout(d, 500))
    }
    return false
  }
  async domains() {
    return this.site.domains()
  }
  async uuid() {
    return (await this.machine.run("xl list -v | grep '^www ' | grep -oE '[0-9a-f-]{36}'")).trim()
  }
  async network() {
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
  async [Symbol.asyncDispose]() {
    await this.site[Symbol.asyncDispose]()
  }
}
export class Boundaries {
  connection: any
  count = 0
  strike: any = () => true
  xen: RealXen
  constructor(x: RealXen) {
    this.xen = x
    this.connection = x.connection
    x.site.host.operations.restart({
      before: () => {
        this.v = this.strike(++this.count)
        return this.v === false ? false : undefined
      },
      after: () => {
        if (typeof this.v === "function") this.v()
      },
    })
  }
  v: any
  static async start(x: RealXen) {
    return new Boundaries(x)
  }
  async [Symbol.asyncDispose]() {
    this.xen.site.host.operations.restart()
  }
}
