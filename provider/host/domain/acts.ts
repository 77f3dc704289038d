import { type DomainConfig, literalOf, quote } from "xlcfg"
import { RemoteCommandError } from "../../ssh/errors.ts"
import type { Connection } from "../../ssh/index.ts"
import { type Place, type Staging, stage, stagingBridge, switchPorts } from "../swap/index.ts"
import { defaultBridge, portsOf, vifsOf } from "./devices.ts"
import { DomainStartError } from "./errors.ts"
import type { OwnDomain, StoredGeneration } from "./facts.ts"
import { consoleLogPath, stagedName } from "./names.ts"
import type { Serving } from "./standing.ts"
import { releaseContents, runVerb, stopDomain, verbText } from "./verbs.ts"
import type { DomainWanted } from "./wanted.ts"

export interface ChangeOptions {
  readonly signal: AbortSignal
  /** What is being done or waited for: one line, for people. */
  readonly onStatus: (text: string) => void
  /** What it cost, where it cost something. */
  readonly onWarning: (text: string) => void
}

/** What can be done to one domain of a host. Each act is a command or two there, and knows nothing of the others. */
export class Acts {
  readonly #host: Connection
  readonly #wanted: DomainWanted
  readonly #options: ChangeOptions

  constructor(host: Connection, wanted: DomainWanted, options: ChangeOptions) {
    this.#host = host
    this.#wanted = wanted
    this.#options = options
  }

  async record({ generation, text, sha256 }: StoredGeneration): Promise<void> {
    await this.#run(["record", generation, sha256], text)
  }

  /** @returns where in the console's log this life of the domain begins, in bytes */
  async start(
    { generation, uuid = "", text, sha256, config }: StoredGeneration,
    staging: Staging | undefined,
  ): Promise<number> {
    const { name } = this.#wanted
    this.#options.onStatus(`${name}: starting generation ${generation}`)
    const override = staging ? [stagedVifs(config, staging)] : []
    try {
      const { stdout } = await this.#run(["start", generation, uuid, sha256, ...override], text)
      return Number(stdout.trim())
    } catch (error) {
      if (!(error instanceof RemoteCommandError)) throw error
      const from = /^\d+/.exec(error.stdout)?.[0] ?? "0"
      const { stdout } = await this.#run(["console_tail", generation, from, "40"])
      const console = stdout.split("\n").filter((line, at, all) => line !== "" || at < all.length - 1)
      throw new DomainStartError(this.#host.name, stagedName(name, generation), error.stderr, console)
    }
  }

  /** @param old what serves until then */
  stage({ config }: StoredGeneration, old: Serving | undefined): Promise<Staging> {
    const { name: domain, addresses, gateways } = this.#wanted
    const bridge = vifsOf(config)[0]?.bridge ?? defaultBridge
    const serving = old ? portsOfServing(old) : []
    return stage(this.#host, { domain, bridge, addressing: { addresses, gateways }, serving }, this.#options)
  }

  async restage({ config }: StoredGeneration, domain: OwnDomain): Promise<void> {
    const ports = portsOf(config, domain).map(({ vif }) => vif)
    await this.verb(["place", stagingBridge(this.#wanted.name), ...ports])
    if (domain.activity === "paused") await this.verb(["change", domain.uuid, "unpause"])
  }

  /** @throws {SwitchError} which says whether the address has come over all the same */
  async switch(from: Serving | undefined, to: StoredGeneration): Promise<void> {
    const { name: domain, drain } = this.#wanted
    const former =
      from === undefined ? [] : [from.domain.uuid, stagedName(domain, from.generation.generation)]
    const { warning } = await switchPorts(
      this.#host,
      {
        domain,
        from: from === undefined ? [] : portsOfServing(from),
        to: portsOf(to.config),
        drain,
        commit: verbText(domain, ["commit", to.generation, to.uuid ?? "", ...former]),
      },
      this.#options,
    )
    if (warning !== undefined) this.#options.onWarning(warning)
  }

  async stop({ name, uuid }: OwnDomain): Promise<void> {
    this.#options.onStatus(`${this.#wanted.name}: stopping ${name}`)
    await stopDomain(this.#host, this.#wanted, uuid, this.#options.signal)
  }

  async prune(generations: readonly StoredGeneration[]): Promise<void> {
    await this.verb(["prune", ...generations.map(({ generation }) => generation)])
    await releaseContents(this.#host, generations, this.#wanted.urn, this.#options.signal)
  }

  /** Where a generation is looked at: from the staging's namespace, or from dom0. */
  place(
    { generation, uuid = "" }: StoredGeneration,
    consoleFrom: number,
    staging: Staging | undefined,
  ): Place {
    const { name, addresses } = this.#wanted
    return {
      domain: name,
      uuid,
      addresses,
      consoleLog: consoleLogPath(name, generation),
      consoleFrom,
      xlLog: `/var/log/xen/xl-${stagedName(name, generation)}.log`,
      ...(staging && { namespace: staging.namespace }),
    }
  }

  /** One verb of domain.sh. */
  async verb(words: readonly string[]): Promise<void> {
    await this.#run(words)
  }

  #run(words: readonly string[], text = "") {
    return runVerb(this.#host, this.#wanted.name, words, { signal: this.#options.signal, text })
  }
}

/** The interfaces as they are started apart: a setting that stands after the configuration's on xl's command line. */
function stagedVifs(config: DomainConfig | undefined, { bridge, script }: Staging): string {
  const vifs = vifsOf(config).map(vif => ({ script, ...vif, bridge }))
  return `vif=[${(literalOf("vif", vifs) as readonly string[]).map(vif => quote(vif)).join(",")}]`
}

function portsOfServing({ domain, generation }: Serving) {
  return portsOf(generation.config, domain)
}
