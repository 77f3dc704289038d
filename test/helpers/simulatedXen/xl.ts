import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { CannotStart, type Domain, type Hypervisor } from "./hypervisor.ts"
import { info, list, listWhole, vmList } from "./listing.ts"
import * as messages from "./messages.ts"
import { Refused, type Reply, said } from "./reply.ts"
import { parsing, readDisk, readVif, readWanted } from "./wanted.ts"

/**
 * What goes wrong with one command line: `hangs` until whoever waits for it gives up, `half` is killed when it has done
 * what it was to do, or, at a creation, before the domain was let go; or a reply in its place.
 */
export type Fault = Reply | "hangs" | "half"

/** What a subcommand works with. */
interface Asked {
  readonly xen: Hypervisor
  /** The words that are no options, and the options without a value. */
  readonly words: readonly string[]
  readonly options: ReadonlySet<string>
  readonly cwd: string
  readonly gone: AbortSignal
  readonly half: boolean
}

/** `xl`, as far as hosts of unikernels are run with it; messages as xl of Xen 4.17 has them. */
export class Xl {
  readonly #xen: Hypervisor
  /** Asked about each command line; what it returns goes wrong. */
  fault: (words: readonly string[]) => Fault | undefined = () => undefined
  /** All command lines so far. */
  readonly lines: string[] = []

  constructor(xen: Hypervisor) {
    this.#xen = xen
  }

  async answer(line: readonly string[], cwd: string, gone: AbortSignal): Promise<Reply> {
    const [verb = "", ...rest] = line
    this.lines.push(line.join(" "))
    const fault = this.fault(line)
    if (fault === "hangs") await new Promise(done => gone.addEventListener("abort", done))
    if (typeof fault === "object") return fault
    const command = commands[verb]
    if (command === undefined) return messages.unknownCommand(verb)
    const options = new Set(rest.filter(word => word.startsWith("-")))
    const words = rest.filter(word => !word.startsWith("-"))
    try {
      const reply = await command({ xen: this.#xen, words, options, cwd, gone, half: fault === "half" })
      return fault === "half" ? { exit: 137, stdout: "", stderr: "Killed\n" } : reply
    } catch (error) {
      if (error instanceof Refused) return error
      throw error
    }
  }
}

const commands: Readonly<Record<string, (asked: Asked) => Reply | Promise<Reply>>> = {
  create,
  list: ({ xen, words, options }) => {
    const [word] = words
    if (words.length > 1) return messages.usage("list")
    const domains = word === undefined ? [...xen.domains.values()] : word === "0" ? [] : [known(xen, word)]
    const withDom0 = word === undefined || word === "0"
    if (options.has("-l") || options.has("--long")) return said(listWhole(domains, withDom0, xen))
    const verbose = options.has("-v") || options.has("--verbose")
    return said(list(domains, withDom0, verbose, xen))
  },
  "vm-list": ({ xen }) => said(vmList([...xen.domains.values()])),
  info: ({ xen }) => said(info(xen)),
  domid: ({ xen, words: [word = ""] }) => {
    const domain = xen.find(word)
    if (!domain) throw new Refused(messages.noDomainNamed(word))
    return said(`${domain.id}\n`)
  },
  domname: ({ xen, words: [word = ""] }) => {
    const domain = xen.domains.get(Number(word))
    if (!domain) throw new Refused(messages.noNameOf(word))
    return said(`${domain.name}\n`)
  },
  destroy: async ({ xen, words: [word = ""] }) => {
    if (word === "0" || word === "Domain-0") throw new Refused(messages.cannotDestroyDom0)
    const domain = known(xen, word)
    const isGoing = domain.ended !== undefined && xen.isGoing(domain)
    await xen.destroy(domain)
    // Who takes it away at the same time has the devices already: xl complains, and the domain is gone all the same.
    if (isGoing) throw new Refused("destroy failed (rc=-15)\n")
    return said()
  },
  shutdown: async ({ xen, words: [word = ""], options, gone }) => {
    const domain = known(xen, word)
    const first = `Shutting down domain ${domain.id}\n`
    if (domain.ended === undefined) await domain.guest.shutdown("poweroff")
    if (!options.has("-w") && !options.has("--wait")) return said("", first)
    while (xen.domains.get(domain.id) === domain && domain.ended === undefined && !gone.aborted)
      await sleep(20)
    const how = messages.ended(domain)
    return said("", `${first}Waiting for 1 domains\n${how}`)
  },
  rename: ({ xen, words: [from, to] }) => {
    if (from === undefined || to === undefined) return messages.usage("rename")
    const domain = known(xen, from)
    const other = xen.find(to)
    if (other && other !== domain) throw new Refused(messages.renameTaken(domain, to))
    domain.name = to
    return said()
  },
  pause: ({ xen, words: [word = ""] }) => {
    xen.pause(known(xen, word))
    return said()
  },
  unpause: async ({ xen, words: [word = ""] }) => {
    await xen.unpause(known(xen, word))
    return said()
  },
  "mem-set": ({ xen, words: [word = "", amount = ""] }) => {
    const domain = known(xen, word)
    const memory = /^\d+[bkmgt]?$/i.test(amount) ? mebibytes(amount) : Number.NaN
    if (memory > domain.wanted.maxmem) throw new Refused(messages.overMaxmem(domain, amount))
    domain.memory = memory
    return said()
  },
  "vcpu-set": ({ xen, options, words: [word = "", count = ""] }) => {
    const domain = known(xen, word)
    const { cpus } = xen.hardware
    if (Number(count) > cpus && !options.has("--ignore-host"))
      throw new Refused(messages.overCpus(cpus, count))
    if (Number(count) > domain.wanted.maxvcpus) throw new Refused(messages.overMaxvcpus(domain))
    domain.vcpus = Number(count)
    return said()
  },
  "network-attach": async ({ xen, words: [word = "", ...spec] }) => {
    const domain = known(xen, word)
    await attachTo(domain, "nic", () => xen.attach(domain, readVif(spec.join(","))))
    return said()
  },
  "network-detach": async ({ xen, words: [word = "", which = ""] }) => {
    const domain = known(xen, word)
    const vif = domain.vifs.find(({ device, mac }) => String(device) === which || mac === which)
    if (!vif) throw new Refused(messages.noDevice(domain, which))
    await xen.detach(domain, vif)
    return said()
  },
  "block-attach": async ({ xen, words: [word = "", ...spec] }) => {
    const domain = known(xen, word)
    await attachTo(domain, "disk", () => xen.attachDisk(domain, readDisk(spec.join(","), "")))
    return said()
  },
  "config-update": ({ xen, words: [word = "", ...rest], cwd }) => {
    const domain = xen.find(word)
    if (!domain) throw new Refused(messages.configUpdate + messages.noDomain(word))
    const { text, from } = configuration(xen, rest, cwd)
    domain.saved = readWanted(text, from)
    return said("", `${messages.configUpdate}setting dom${domain.id} configuration\n`)
  },
}

async function create({ xen, words, options, cwd, half }: Asked): Promise<Reply> {
  if (!words.some(word => !word.includes("="))) throw new Refused(messages.noFile)
  const { text, from } = configuration(xen, words, cwd)
  const wanted = readWanted(text, from)
  const domain = await attempt(() => xen.create(wanted), parsing(from))
  if (!half && !options.has("-p")) await xen.unpause(domain)
  return said("", parsing(from))
}

/** The file's text, with the settings that stand after it on the command line. */
function configuration(xen: Hypervisor, words: readonly string[], cwd: string) {
  const path = words.find(word => !word.includes("=")) ?? ""
  const from = path
  const settings = words.filter(word => word.includes("="))
  try {
    const text = readFileSync(xen.hardware.file(resolve(cwd, path)), "utf8")
    return { text: settings.length ? `${text}\n${settings.join(";\n")};\n` : text, from }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error
    throw new Refused(messages.noConfiguration(path), 3)
  }
}

async function attempt<Result>(work: () => Promise<Result>, before = ""): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof CannotStart)) throw error
    throw new Refused(before + messages.cannotStart(error), messages.exitOf(error))
  }
}

/** A device for a domain that runs: the domain stays, whatever becomes of it. */
async function attachTo(domain: Domain, kind: "nic" | "disk", work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof CannotStart)) throw error
    throw new Refused(messages.cannotAttach(domain, kind))
  }
}

function known(xen: Hypervisor, word: string): Domain {
  const domain = xen.find(word)
  if (!domain) throw new Refused(messages.noDomain(word))
  return domain
}

function mebibytes(amount: string): number {
  const units = { b: 1 / 1024 ** 2, k: 1 / 1024, m: 1, g: 1024, t: 1024 ** 2 }
  const unit = /[bkmgt]$/i.exec(amount)?.[0].toLowerCase() as keyof typeof units | undefined
  return Number.parseInt(amount, 10) * units[unit ?? "m"]
}
