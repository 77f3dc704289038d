import { cpusSpec } from "../devices/cpus.ts"
import { printVirtualNode, scanVirtualNode } from "../devices/vnuma.ts"
import { key } from "./key.ts"
import { boolean, integer, list, listOr, nested, oneOf, text, textIn, textLike } from "./type.ts"

const cpus = textIn(cpusSpec)
const affinity = listOr(list(cpus), cpus)
const cpuid = /^[0-9]+(,[0-9]+)?:(e[abcd]x=[01xks]{32},?)+$/
const hostCpuid = /^host(,[a-z0-9_.-]+=[a-z0-9x:]+)*$/i

/** Processors. */
export const cpu = {
  vcpus: key(integer({ min: 1, max: 8192 }), "Virtual CPUs that are online at the start."),
  maxvcpus: key(
    integer({ min: 1, max: 8192 }),
    "Virtual CPUs that the guest can bring online; vcpus where it is missing.",
  ),
  cpus: key(affinity, "Host CPUs that the guest may run on; a list says so for each virtual CPU."),
  cpus_soft: key(affinity, "Host CPUs that the guest should run on; a list says so for each virtual CPU."),
  cpu_weight: key(integer({ min: 1, max: 65535 }), "Share of the CPU where it is scarce; 256 by default."),
  cap: key(integer({ unit: "percent of a CPU" }), "The most CPU the guest gets; 0 for no limit."),
  period: key(integer(), "Scheduling period, for the schedulers that know one."),
  slice: key(integer(), "Time slice, for the schedulers that know one."),
  latency: key(integer(), "Latency, for the schedulers that know one."),
  extratime: key(integer(), "Whether the guest gets idle time beyond its share."),
  cpuid: key(
    listOr(list(textLike("CPUID leaf", cpuid)), textLike("CPUID policy, like host,tm=0", hostCpuid)),
    "CPU features that the guest sees.",
    { arch: "x86" },
  ),
  nestedhvm: key(boolean, "The guest may run a hypervisor itself.", { guests: ["pvh", "hvm"] }),
  tsc_mode: key(
    oneOf(["default", "always_emulate", "native", "native_paravirt"], {
      numbers: ["default", "always_emulate", "native", "native_paravirt"],
    }),
    "How the guest's time stamp counter works.",
  ),
  timer_mode: key(
    oneOf(
      [
        "delay_for_missed_ticks",
        "no_delay_for_missed_ticks",
        "no_missed_ticks_pending",
        "one_missed_tick_pending",
      ],
      {
        numbers: [
          "delay_for_missed_ticks",
          "no_delay_for_missed_ticks",
          "no_missed_ticks_pending",
          "one_missed_tick_pending",
        ],
      },
    ),
    "What happens to timer ticks that a virtual CPU missed.",
    { guests: ["pvh", "hvm"] },
  ),
  localtime: key(boolean, "The guest's clock shows local time, not UTC."),
  rtc_timeoffset: key(
    integer({ min: -(2 ** 31), max: 2 ** 31 - 1, unit: "seconds" }),
    "The guest's clock is this much ahead.",
  ),
  msr_relaxed: key(boolean, "Unknown model-specific registers read as 0: only to find a fault.", {
    arch: "x86",
  }),
}

/** Memory. */
export const memory = {
  memory: key(integer({ min: 1, unit: "MiB" }), "Memory that the guest starts with."),
  maxmem: key(
    integer({ min: 1, unit: "MiB" }),
    "The most memory that the guest can get; memory where it is missing.",
  ),
  vnuma: key(
    list(nested("virtual NUMA node", scanVirtualNode, printVirtualNode)),
    "Virtual NUMA nodes, each a list of pnode=, size=, vcpus= and vdistances=.",
  ),
  hap: key(boolean, "Nested page tables of the hardware.", { guests: ["pvh", "hvm"] }),
  oos: key(boolean, "Shadow page tables that may be out of step.", { guests: ["pvh", "hvm"] }),
  shadow_memory: key(integer({ unit: "MiB" }), "Memory for shadow page tables.", { guests: ["pvh", "hvm"] }),
  e820_host: key(boolean, "The guest sees the host's memory map, for devices passed through.", {
    guests: ["pv"],
    arch: "x86",
  }),
}

/** Arm only. */
export const arm = {
  device_tree: key(text, "Compiled device tree, of which /passthrough goes to the guest.", { arch: "arm" }),
  gic_version: key(oneOf(["default", "v2", "v3"]), "Interrupt controller that the guest sees.", {
    arch: "arm",
  }),
  vuart: key(oneOf(["sbsa_uart"]), "Serial console that the guest sees.", { arch: "arm" }),
  tee: key(
    oneOf(["none", "optee", "ffa"], { since: { ffa: "4.18" } }),
    "Trusted execution environment for the guest.",
    { arch: "arm" },
  ),
  sve: key(
    oneOf([
      "disabled",
      "hw",
      ...(Array.from({ length: 16 }, (_, index) => `${(index + 1) * 128}`) as `${number}`[]),
    ]),
    "Vector length of the Scalable Vector Extension.",
    { arch: "arm", since: "4.18" },
  ),
  nr_spis: key(integer({ max: 991 }), "Shared peripheral interrupts for the guest.", {
    arch: "arm",
    since: "4.19",
  }),
  llc_colors: key(
    list(textLike("range of colours, like 0-3", /^[0-9]+(-[0-9]+)?$/)),
    "Colours of the last level cache.",
    {
      arch: "arm",
      since: "4.20",
    },
  ),
}
