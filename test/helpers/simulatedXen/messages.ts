import { type CannotStart, type Domain, shutdownReasons } from "./hypervisor.ts"
import type { Reply } from "./reply.ts"

/** What xl and libxl of Xen 4.17 say: word for word as far as the recorded conversations go, in short where they do not. */

const libxl = (lines: readonly string[]): string => lines.map(line => `libxl: ${line}\n`).join("")

/** A creation that failed takes back what there was of the domain, and says so. */
const takenBack = (id: number): string[] => [
  `error: libxl_domain.c:1183:libxl__destroy_domid: Domain ${id}:Non-existant domain`,
  `error: libxl_domain.c:1137:domain_destroy_callback: Domain ${id}:Unable to destroy guest`,
  `error: libxl_domain.c:1064:domain_destroy_cb: Domain ${id}:Destruction of domain failed`,
]

const script = (verb: string, why: string): string[] => [
  `error: libxl_exec.c:117:libxl_report_child_exitstatus: /etc/xen/scripts/vif-bridge ${verb} [${process.pid}] exited with error status 1`,
  `error: libxl_device.c:1337:device_hotplug_child_death_cb: script: ${why}`,
]

const noVif = (id: number): string =>
  `error: libxl_create.c:1921:domcreate_attach_devices: Domain ${id}:unable to add vif devices`

const cannotBuild = (id: number, code: number): string =>
  `error: libxl_create.c:1640:domcreate_rebuild_done: Domain ${id}:cannot (re-)build domain: ${code}`

export function cannotStart({ step, id, what }: CannotStart): string {
  switch (step) {
    case "name":
      return libxl([
        `error: libxl_domain.c:81:libxl__domain_rename: Domain ${id}:Domain with name "${what}" already exists.`,
        `error: libxl_create.c:1296:initiate_domain_create: Domain ${id}:cannot make domain: -6`,
        `error: libxl_xshelp.c:206:libxl__xs_read_mandatory: xenstore read failed: \`/libxl/${id}/type': No such file or directory`,
        `warning: libxl_dom.c:49:libxl__domain_type: unable to get domain type for domid=${id}, assuming HVM`,
        ...takenBack(id),
      ])
    case "kernel":
      return `xc: error: panic: xg_dom_core.c:205: failed to open file '${what}': No such file or directory: Internal error\n${libxl(
        [
          "error: libxl_dom.c:909:libxl__domain_firmware: xc_dom_kernel_file failed: No such file or directory",
          "error: libxl_dom.c:1075:libxl__build_hvm: initializing domain firmware failed",
          cannotBuild(id, -1),
          ...takenBack(id),
        ],
      )}`
    case "memory":
      return `xc: error: panic: xg_dom_boot.c:119: xc_dom_boot_mem_init: can't allocate low memory for domain: Out of memory\n${libxl(
        [
          "error: libxl_dom.c:586:libxl__build_dom: xc_dom_boot_mem_init failed: Cannot allocate memory",
          cannotBuild(id, -3),
          ...takenBack(id),
        ],
      )}`
    case "disk":
      return libxl([
        `error: libxl_device.c:455:libxl__device_disk_set_backend: Disk vdev=xvda failed to stat: ${what}: No such file or directory`,
        `error: libxl_create.c:1318:initiate_domain_create: Domain ${id}:Unable to set disk defaults for disk 0`,
        ...takenBack(id),
      ])
    case "vdev": {
      const invalid = `Domain ${id}:Invalid or unsupported virtual disk identifier ${what}`
      return libxl([
        `error: libxl_disk.c:214:libxl__device_from_disk: ${invalid}`,
        `error: libxl_disk.c:335:device_disk_add: ${invalid}`,
        `error: libxl_create.c:1672:domcreate_launch_dm: Domain ${id}:unable to add disk devices`,
        ...takenBack(id),
      ])
    }
    case "bridge":
      return libxl([
        ...script("online", `Could not find bridge device ${what}`),
        noVif(id),
        ...script("offline", `Could not find bridge device ${what}`),
        ...takenBack(id),
      ])
    case "port": {
      const [from, to] = what.split(" ")
      const why = `Cannot rename interface ${from}. An interface with name ${to} already exists.`
      return libxl([...script("online", why), noVif(id), ...takenBack(id)])
    }
    default:
      return libxl([`error: Domain ${id}: ${step}: ${what}`, ...takenBack(id)])
  }
}

export const exitOf = (_error: CannotStart): number => 3

export const unknownCommand = (_verb: string): Reply => ({
  exit: 1,
  stdout: "",
  stderr: "command not implemented\n",
})
export const usage = (verb: string): Reply => ({ exit: 1, stdout: "", stderr: `'xl ${verb}' requires\n` })
export const noDomain = (word: string) => `${word} is an invalid domain identifier (rc=-6)\n`
export const noDomainNamed = (word: string) =>
  `Can't get domid of domain name '${word}', maybe this domain does not exist.\n`
export const noNameOf = (word: string) =>
  `Can't get domain name of domain id '${word}', maybe this domain does not exist.\n`
export const cannotDestroyDom0 = "Not destroying domain 0; use -f to force.\n"
export const ended = ({ id, ended }: Domain) =>
  ended === undefined
    ? `Domain ${id} has been destroyed\n`
    : `Domain ${id} has been shut down, reason code ${shutdownReasons[ended]}\n`
export const renameTaken = ({ id, name }: Domain, to: string) =>
  `${libxl([
    `error: libxl_domain.c:81:libxl__domain_rename: Domain ${id}:Domain with name "${to}" already exists.`,
  ])}Can't rename domain '${name}'.\n`
export const overMaxmem = ({ id }: Domain, amount: string) =>
  `${libxl([
    `error: libxl_mem.c:278:libxl_set_memory_target: Domain ${id}:memory_dynamic_max must be less than or equal to memory_static_max`,
  ])}\ncannot set domid ${id} dynamic max memory to : ${amount}\n`
export const overCpus = (cpus: number, count: string) =>
  `You are overcommmitting! You have ${cpus} physical CPUs and want ${count} vCPUs! Aborting, use --ignore-host to continue\n`
export const overMaxvcpus = ({ id, wanted }: Domain) =>
  `libxl_set_vcpuonline failed domid=${id} max_vcpus=${wanted.maxvcpus}, rc: -6\n`
export const noDevice = ({ id }: Domain, which: string) =>
  `${libxl([
    `error: libxl_xshelp.c:206:libxl__xs_read_mandatory: xenstore read failed: \`/libxl/${id}/device/vif/${which}': No such file or directory`,
  ])}Unknown device ${which}.\n`
export const cannotAttach = ({ id }: Domain, kind: "nic" | "disk") =>
  `${libxl([
    `error: libxl_device.c:1481:device_addrm_aocomplete: Domain ${id}:Unable to add ${kind === "nic" ? "vif" : "vbd"}`,
  ])}libxl_device_${kind}_add failed.\n`
export const configUpdate =
  "WARNING: xl now has better capability to manage domain configuration, avoid using this command when possible\n"
export const noFile = "no file\n"
export const noConfiguration = (path: string) =>
  `Failed to read config file: ${path}: No such file or directory\n`
