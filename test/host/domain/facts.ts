import { configOf, type DomainConfig, generate, parse } from "xlcfg"
import type {
  Activity,
  DomainFacts,
  OwnDomain,
  StoredGeneration,
} from "../../../provider/host/domain/facts.ts"
import { generationOf, uuidOf } from "../../../provider/host/domain/names.ts"
import { type DomainWanted, startedAs, withoutIdentity } from "../../../provider/host/domain/wanted.ts"
import type { NetworkFacts } from "../../../provider/host/facts/types.ts"
import { stagingBridge } from "../../../provider/host/swap/index.ts"

export const urn = "urn:pulumi:s::p::xen:index:Domain::www"

/** A configuration as a check computes it. */
export function configuration(more: Partial<DomainConfig> = {}): string {
  return generate({
    name: "www",
    type: "pvh",
    kernel: `/var/lib/pulumi-xen/kernels/${"a".repeat(64)}`,
    memory: 32,
    maxmem: 64,
    vif: [{ mac: "00:16:3e:00:00:01", bridge: "xenbr0" }],
    ...more,
  })
}

export const texts = {
  one: configuration(),
  two: configuration({ kernel: `/var/lib/pulumi-xen/kernels/${"b".repeat(64)}` }),
  three: configuration({ kernel: `/var/lib/pulumi-xen/kernels/${"c".repeat(64)}` }),
}
export type Version = keyof typeof texts

export const generationName = (version: Version): string => generationOf(texts[version])

export function stored(text: string, uuid?: string): StoredGeneration {
  const plain = generate(withoutIdentity(configOf(parse(text))))
  const generation = generationOf(plain)
  return startedAs(generation, configOf(parse(plain)), uuid ?? uuidOf(urn, generation))
}

export function wanted(text: string = texts.one, more: Partial<DomainWanted> = {}): DomainWanted {
  return {
    ...{ name: "www", urn, generation: generationOf(text), configuration: text, health: {} },
    ...{
      addresses: ["192.0.2.7/24"],
      gateways: ["192.0.2.1"],
      drain: 10,
      probation: 10,
      shutdownTimeout: 30,
      keep: 5,
    },
    ...more,
  }
}

/** Where the ports of a domain are. */
export type Standing = "serving" | "staged" | "aside"

export interface Has {
  readonly text: string
  readonly standing?: Standing
  readonly name?: string
  readonly activity?: Activity
  readonly uuid?: string
  /** What `xl list -l` shows; by default what the baseline does. */
  readonly details?: object
}

export interface Host {
  /** Generations in the store. */
  readonly store?: readonly string[]
  readonly current?: string
  readonly next?: string
  /** Oldest first. */
  readonly history?: readonly string[]
  readonly runs?: readonly Has[]
  readonly freeMemory?: number
  readonly staging?: boolean
}

const details = { c_info: { type: "pvh" }, b_info: { target_memkb: 32768, max_memkb: 65536, kernel: "/k" } }

/** A host by what is in its store and what runs on it. */
export function facts({
  store = [],
  current,
  next,
  history = [],
  runs = [],
  freeMemory = 2000,
  staging = false,
}: Host): DomainFacts {
  const generations = store.map(text => ({ ...stored(text), baseline: details }))
  const byText = (text: string) => generations.find(({ generation }) => generation === generationOf(text))!
  const own = runs.map(({ text, name, activity = "running", uuid, details: shown }, index): OwnDomain => {
    const { generation } = stored(text)
    return {
      id: index + 1,
      name: name ?? (text === current ? "www" : `www.${generation}`),
      uuid: uuid ?? byText(text)?.uuid ?? "",
      ...{ memory: 32, vcpus: 1, activity, details: (shown ?? details) as OwnDomain["details"] },
    }
  })
  const bridges = { serving: "xenbr0", staged: stagingBridge("www"), aside: undefined }
  const ports = runs.flatMap(({ text, standing = text === current ? "serving" : "staged" }) =>
    (stored(text).config?.vif ?? []).map((_, index) => ({
      name: `v${stored(text).uuid!.slice(0, 8)}.${index}`,
      ...(bridges[standing] && { controller: bridges[standing] }),
    })),
  )
  const links = [
    { name: "xenbr0", kind: "bridge" },
    ...(staging || ports.some(({ controller }) => controller === stagingBridge("www"))
      ? [{ name: stagingBridge("www"), kind: "bridge" }]
      : []),
    ...ports,
  ]
  return {
    xen: { usable: true, totalMemory: 4096, freeMemory, virtCaps: ["pv", "hvm", "hap"] },
    ...{ switching: false, domains: own, own, files: new Set<string>(), kernels: new Map<string, string>() },
    network: { links, routes: [] } as unknown as NetworkFacts,
    ...(store.length > 0 && {
      store: {
        owner: urn,
        generations: new Map(generations.map(one => [one.generation, one])),
        ...(current && { current: generationOf(current) }),
        ...(next && { next: generationOf(next) }),
        history: history.map(text => ({
          generation: generationOf(text),
          time: "2026-01-01T00:00:00Z",
          sha256: byText(text)?.sha256 ?? "",
        })),
      },
    }),
  }
}
