import { lines, parseFields, type Sections, valueIn } from "./sections.ts"
import type { XenFacts } from "./types.ts"

/** Columns of `xl list`: Name, ID, Mem, VCPUs, State, Time(s). A name may hold no blank. */
const DOMAIN = /^(\S+)\s+(\d+)\s+(\d+)\s+(\d+)\s/

/** A running Xen, or undefined where the kernel runs on bare metal or on someone else's hypervisor. */
export function parseXen(sections: Sections): XenFacts | undefined {
  const capabilities = valueIn(sections, "/proc/xen/capabilities")
  if (capabilities === undefined || valueIn(sections, "/sys/hypervisor/type") !== "xen") return undefined
  const info = parseFields(sections.get("xl-info") ?? "", /\s*:\s/)
  const domains = lines(sections.get("xl-list")).flatMap(line => {
    const match = DOMAIN.exec(line)
    return match
      ? [{ name: match[1]!, id: Number(match[2]), memory: Number(match[3]), vcpus: Number(match[4]) }]
      : []
  })
  const dom0 = domains.find(({ id }) => id === 0)
  return {
    version:
      info.xen_version ?? [info.xen_major, info.xen_minor].filter(Boolean).join(".") + (info.xen_extra ?? ""),
    controlDomain: /\bcontrol_d\b/.test(capabilities),
    capabilities: words(info.xen_caps),
    virtCaps: words(info.virt_caps),
    commandLine: info.xen_commandline ?? "",
    replaced: lines(sections.get("xen-replaced")),
    ...(info.total_memory === undefined ? {} : { totalMemory: Number(info.total_memory) }),
    ...(info.free_memory === undefined ? {} : { freeMemory: Number(info.free_memory) }),
    ...(dom0 === undefined ? {} : { dom0Memory: dom0.memory, dom0Vcpus: dom0.vcpus }),
    domains: domains.filter(({ id }) => id !== 0).map(({ name }) => name),
  }
}

function words(text = ""): string[] {
  return text.split(/\s+/).filter(word => word !== "")
}
