import type { HostFacts } from "../facts/types.ts"
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
  const { xen } = facts
  const words = record?.xenOptions ?? xen?.commandLine.split(/\s+/).filter(word => word !== "")
  const memory = lastOf(words, "dom0_mem")
  const mebibytes = memory === undefined ? xen?.dom0Memory : sizeOf(memory)
  if (words === undefined || mebibytes === undefined) return undefined
  const vcpus = lastOf(words, "dom0_max_vcpus")
  const own = linuxOptions(facts, { memory: mebibytes })
  return {
    memory: mebibytes,
    ...(vcpus !== undefined && /^\d+$/.test(vcpus) ? { vcpus: Number(vcpus) } : {}),
    xenOptions: words.filter(word => !GRUBS_OWN.includes(word) && !/^dom0_(mem|max_vcpus)=/.test(word)),
    linuxOptions: (record?.linuxOptions ?? []).filter(word => !own.includes(word)),
  }
}

/** The last assignment wins, as it does for Xen. */
function lastOf(words: readonly string[] = [], name: string): string | undefined {
  return words.findLast(word => word.startsWith(`${name}=`))?.slice(name.length + 1)
}

/** MiB of the first plain size in "min:512M,1024M,max:1G"; a number without a unit is KiB (parse_size_and_unit of Xen). */
function sizeOf(text: string): number | undefined {
  const [, number, unit = "k"] = /(?:^|,)(\d+)([kKmMgG])?(?=,|$)/.exec(text) ?? []
  const scale = { k: 1 / 1024, m: 1, g: 1024 }[unit.toLowerCase()]
  return number === undefined || scale === undefined ? undefined : Math.floor(Number(number) * scale)
}
