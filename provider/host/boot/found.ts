import type { HostFacts, XenFacts } from "../facts/types.ts"
import { dom0Record } from "./record.ts"
import { type Dom0Wanted, linuxOptions } from "./wanted.ts"

/** Words that GRUB's scripts put on Xen's command line themselves (20_linux_xen). */
const GRUBS_OWN = ["placeholder", "no-real-mode", "edd=off"]

/**
 * What would have to be wanted for a machine to stay as it is: from what was recorded when this program set it up, or
 * else from what its Xen runs with. `undefined` where there is no Xen.
 */
export function dom0Found(facts: HostFacts): Dom0Wanted | undefined {
  const record = dom0Record(facts)
  const words = record?.xenOptions ?? wordsOf(facts.xen?.commandLine)
  const size = sizeOfDom0(words, facts.xen)
  if (size.memory === undefined) return undefined
  const own = linuxOptions(facts, { memory: size.memory })
  return {
    memory: size.memory,
    ...(size.vcpus === undefined ? {} : { vcpus: size.vcpus }),
    xenOptions: words.filter(word => !GRUBS_OWN.includes(word) && !/^dom0_(mem|max_vcpus)=/.test(word)),
    linuxOptions: (record?.linuxOptions ?? []).filter(word => !own.includes(word)),
  }
}

/**
 * Whether what runs is the same in other words: dom0_mem=1G, which somebody else has written, are the 1024 MiB that are
 * wanted. Words of Xen's command line that mean nothing of the kind are the same only when they are equal.
 */
export function runsAs(word: string, xen: XenFacts): boolean {
  const [wanted, runs] = [sizeOfDom0([word]), sizeOfDom0(wordsOf(xen.commandLine), xen)]
  return (
    (wanted.memory !== undefined && wanted.memory === runs.memory) ||
    (wanted.vcpus !== undefined && wanted.vcpus === runs.vcpus)
  )
}

function wordsOf(commandLine = ""): string[] {
  return commandLine.split(/\s+/).filter(word => word !== "")
}

/** dom0's MiB and virtual CPUs by words of Xen's command line; where those say nothing of memory, what it has. */
function sizeOfDom0(words: readonly string[], xen?: XenFacts): { memory?: number; vcpus?: number } {
  const said = lastOf(words, "dom0_mem")
  const memory = said === undefined ? xen?.dom0Memory : sizeOf(said)
  const vcpus = lastOf(words, "dom0_max_vcpus") ?? ""
  return {
    ...(memory === undefined ? {} : { memory }),
    ...(/^\d+$/.test(vcpus) ? { vcpus: Number(vcpus) } : {}),
  }
}

/** The last assignment wins, as it does for Xen. */
function lastOf(words: readonly string[], name: string): string | undefined {
  return words.findLast(word => word.startsWith(`${name}=`))?.slice(name.length + 1)
}

/** MiB of the first plain size in "min:512M,1024M,max:1G"; a number without a unit is KiB (parse_size_and_unit of Xen). */
function sizeOf(text: string): number | undefined {
  const [, number, unit = "k"] = /(?:^|,)(\d+)([kKmMgG])?(?=,|$)/.exec(text) ?? []
  const scale = { k: 1 / 1024, m: 1, g: 1024 }[unit.toLowerCase()]
  return number === undefined || scale === undefined ? undefined : Math.floor(Number(number) * scale)
}
