import type { Disk } from "xlcfg"
import { type Domain, type Hardware, type Hypervisor, shutdownReasons, type Vif } from "./hypervisor.ts"

const dom0 = "00000000-0000-0000-0000-000000000000"

/** What of the machine below is told. */
interface Machine {
  readonly hardware: Pick<Hardware, "memory" | "dom0Memory" | "cpus" | "commandLine">
  /** MiB. */
  readonly freeMemory: number
}

/** `xl list` and `xl list -v` (xl_list.c, list_domains). hello brings up one processor, however many it may have. */
export function list(
  domains: readonly Domain[],
  withDom0: boolean,
  verbose: boolean,
  { hardware }: Pick<Machine, "hardware">,
): string {
  const head = "Name                                        ID   Mem VCPUs\tState\tTime(s)"
  const more = "   UUID                            Reason-Code\tSecurity Label"
  const row = (name: string, id: number, memory: number, vcpus: number, state: string, time: number) =>
    `${name.padEnd(40)} ${pad(id)} ${pad(memory)} ${pad(vcpus)}     ${state}  ${time.toFixed(1).padStart(8)}`
  const detail = (uuid: string, reason: string) => (verbose ? ` ${uuid} ${reason} ${"-".padStart(16)}` : "")
  const rows = domains.map(
    domain =>
      row(domain.name, domain.id, heldBy(domain), 1, stateOf(domain), time(domain)) +
      detail(
        domain.uuid,
        domain.ended ? shutdownReasons[domain.ended].toString(16).padStart(8) : "-".padStart(8),
      ),
  )
  const zero =
    row("Domain-0", 0, hardware.dom0Memory, hardware.cpus, "r-----", process.uptime()) +
    detail(dom0, "-".padStart(8))
  return `${[head + (verbose ? more : ""), ...(withDom0 ? [zero] : []), ...rows].join("\n")}\n`
}

/** What was set on a running domain leaves it room for one more (LIBXL_MAXMEM_CONSTANT). */
const heldBy = ({ memory, wanted }: Domain): number => (memory === wanted.memory ? memory : memory + 1)

const pad = (value: number): string => String(value).padStart(5)
const time = ({ started }: Domain): number => (Date.now() - started) / 100_000

/** The six flags: running, blocked, paused, shut down, crashed, dying. */
function stateOf({ paused, ended }: Domain): string {
  if (ended !== undefined) return ended === "crash" ? "---sc-" : "--ps--"
  return paused ? "-bp---" : "-b----"
}

/** `xl vm-list` (xl_list.c, list_vm). */
export function vmList(domains: readonly Domain[]): string {
  const all = [{ uuid: dom0, id: 0, name: "Domain-0" }, ...domains]
  const rows = all.map(({ uuid, id, name }) => `${uuid}  ${id}    ${name.padEnd(30)}`)
  return `${["UUID                                  ID    name", ...rows].join("\n")}\n`
}

/** `xl list -l`: a domain as libxl retrieves it, what is its default left out. */
export function listWhole(domains: readonly Domain[], withDom0: boolean, { hardware }: Hypervisor): string {
  const sched_params = { sched: "credit2", weight: 256, cap: 0 }
  const kib = hardware.dom0Memory * 1024
  const memory = { max_memkb: kib, target_memkb: kib - 1 }
  const zero = {
    domid: 0,
    config: {
      c_info: { type: "pv", name: "Domain-0" },
      b_info: { ...memory, sched_params, "type.pv": {}, arch_arm: {}, arch_x86: {} },
    },
  }
  return `${yajl([...(withDom0 ? [zero] : []), ...domains.map(whole)])}\n\n`
}

function whole(domain: Domain): object {
  const { wanted, vifs, disks } = domain
  const { poweroff, reboot, watchdog, crash, soft_reset } = wanted.actions
  return {
    domid: domain.id,
    config: {
      c_info: {
        type: wanted.type,
        name: domain.name,
        domid: 4294967295,
        uuid: domain.uuid,
        run_hotplug_scripts: "True",
      },
      b_info: {
        ...(wanted.maxvcpus === 1 ? {} : vcpusOf(domain)),
        max_memkb: wanted.maxmem * 1024,
        target_memkb: domain.memory * 1024,
        video_memkb: 0,
        sched_params: { sched: "credit2", weight: 256, cap: 0 },
        claim_mode: "True",
        kernel: wanted.kernel,
        ...(wanted.cmdline === undefined ? {} : { cmdline: wanted.cmdline }),
        [`type.${wanted.type}`]: {},
        arch_arm: {},
        arch_x86: { msr_relaxed: "False" },
      },
      ...(disks.length === 0 ? {} : { disks: disks.map(wholeDisk) }),
      ...(vifs.length === 0 ? {} : { nics: vifs.map(wholeVif) }),
      ...usual("on_poweroff", poweroff, "destroy"),
      ...usual("on_reboot", reboot, "destroy"),
      ...usual("on_watchdog", watchdog, "destroy"),
      ...usual("on_crash", crash, "destroy"),
      ...usual("on_soft_reset", soft_reset.replace("-", "_"), "destroy"),
    },
  }
}

const vcpusOf = ({ wanted, vcpus }: Domain) => ({
  max_vcpus: wanted.maxvcpus,
  avail_vcpus: Array.from({ length: vcpus }, (_, at) => at),
})

const usual = (key: string, value: string, standard: string) => (value === standard ? {} : { [key]: value })

const wholeVif = ({ device, mac, bridge, vifname }: Vif) => ({
  devid: device,
  mac,
  bridge,
  ...(vifname === undefined ? {} : { ifname: vifname }),
  nictype: "vif",
})

const wholeDisk = ({ target, vdev, format = "raw", access = "rw" }: Disk) => ({
  pdev_path: target,
  vdev,
  backend: "phy",
  format,
  removable: 1,
  readwrite: access === "rw" ? 1 : 0,
})

/** JSON as yajl's generator lays it out: an empty object has an empty line. */
function yajl(value: unknown, indent = ""): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  const inner = `${indent}    `
  const entries = Array.isArray(value)
    ? value.map(item => inner + yajl(item, inner))
    : Object.entries(value).map(([key, item]) => `${inner}${JSON.stringify(key)}: ${yajl(item, inner)}`)
  const [open, close] = Array.isArray(value) ? "[]" : "{}"
  return `${open}\n${entries.join(",\n")}\n${indent}${close}`
}

/** `xl info`, for a machine like the lab's. */
export function info({ hardware, freeMemory }: Machine): string {
  const dom0 = `placeholder dom0_mem=${hardware.dom0Memory}M,max:${hardware.dom0Memory}M`
  const fields = {
    host: "lab",
    release: "6.1.0-56-amd64",
    version: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)",
    machine: "x86_64",
    nr_cpus: hardware.cpus,
    max_cpu_id: hardware.cpus - 1,
    nr_nodes: 1,
    cores_per_socket: hardware.cpus,
    threads_per_core: 1,
    cpu_mhz: "2600.000",
    hw_caps: "1fcbf3fd:c2d8220b:ec500800:00000077:00000000:01880309:00000004:00000000",
    virt_caps: "pv hvm hap gnttab-v1 gnttab-v2",
    total_memory: hardware.memory - 1,
    free_memory: freeMemory,
    sharing_freed_memory: 0,
    sharing_used_memory: 0,
    outstanding_claims: 0,
    free_cpus: 0,
    xen_major: 4,
    xen_minor: 17,
    xen_extra: ".7",
    xen_version: "4.17.7",
    xen_caps: "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ",
    xen_scheduler: "credit2",
    xen_pagesize: 4096,
    platform_params: "virt_start=0xffff800000000000",
    xen_changeset: "",
    xen_commandline: hardware.commandLine ?? dom0,
    cc_compiler: "x86_64-linux-gnu-gcc (Debian 12.2.0-14+deb12u1) 12.2.0",
    cc_compile_by: "pkg-xen-devel",
    cc_compile_domain: "lists.alioth.debian.org",
    cc_compile_date: "Wed Nov  4 16:52:28 UTC 2026",
    build_id: "151b373fd64b321593bf987fd923cd10dabadac4",
    xend_config_format: 4,
  }
  return `${Object.entries(fields)
    .map(([name, value]) => `${name.padEnd(23)}: ${value}`)
    .join("\n")}\n`
}
