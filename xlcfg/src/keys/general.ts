import { key } from "./key.ts"
import { boolean, integer, list, listOr, oneOf, path, text, textLike } from "./type.ts"

const uuid = textLike("UUID", /^[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}$/)
const action = oneOf([
  "destroy",
  "restart",
  "rename-restart",
  "preserve",
  "coredump-destroy",
  "coredump-restart",
  "soft-reset",
])
const guestType = oneOf(["pv", "pvh", "hvm"])

/** What the domain is and what happens when it ends. */
export const general = {
  name: key(text, "The domain's name, unique on its host."),
  type: key(guestType, "Kind of guest; pv where it is missing (pvh on Arm)."),
  builder: key(oneOf(["generic", "hvm"]), "Kind of guest, as it was said before Xen 4.10.", {
    deprecated: "use type=",
  }),
  uuid: key(uuid, "The domain's UUID; a new one at each start where it is missing."),
  pool: key(text, "The CPU pool that the guest's virtual CPUs run in."),
  nomigrate: key(boolean, "Forbids migration, which allows an invariant TSC."),
  driver_domain: key(boolean, "The guest serves devices to other domains."),
  max_event_channels: key(
    integer({ max: 131071 }),
    "How many event channels the guest may use; 1023 by default.",
  ),
  max_grant_frames: key(
    integer({ max: 2 ** 31 - 1 }),
    "How many frames of grants the guest may have; default in xl.conf(5).",
  ),
  max_maptrack_frames: key(
    integer({ max: 2 ** 31 - 1 }),
    "How many frames of foreign mappings the guest may have; default in xl.conf(5).",
  ),
  max_grant_version: key(
    integer({ max: 2 ** 31 - 1 }),
    "The newest grant table version the guest may use; default in xl.conf(5).",
  ),
  passthrough: key(
    oneOf(["default", "disabled", "enabled", "sync_pt", "share_pt"]),
    "Whether and how the IOMMU serves the guest.",
  ),
  xend_suspend_evtchn_compat: key(boolean, "Xenstore rights as under xend, for very old PV drivers."),
  vmtrace_buf_kb: key(integer({ unit: "KiB" }), "Size of each virtual CPU's trace buffer; none by default."),
  vpmu: key(boolean, "Access to the CPU's performance counters.", { arch: "arm" }),
  on_poweroff: key(action, "When the guest shuts down; destroy by default."),
  on_reboot: key(action, "When the guest reboots; restart by default."),
  on_watchdog: key(action, "When the guest's watchdog runs out; destroy by default."),
  on_crash: key(action, "When the guest crashes; destroy by default."),
  on_soft_reset: key(action, "When the guest does a soft reset (kexec); soft-reset by default."),
}

/** Mandatory access control. */
export const xsm = {
  seclabel: key(text, "The domain's XSM label."),
  init_seclabel: key(text, "The domain's XSM label while it is being built."),
}

/** What the guest starts from. */
export const boot = {
  kernel: key(path, "The kernel image."),
  ramdisk: key(path, "The initial ramdisk."),
  cmdline: key(text, "The kernel's command line; root= and extra= are ignored beside it."),
  root: key(text, "Becomes root=… in front of the kernel's command line."),
  extra: key(text, "The kernel's command line, behind root=."),
  firmware: key(text, "pvgrub32 or pvgrub64 (PV); bios, uefi, seabios, rombios, ovmf or a path (HVM)."),
  bootloader: key(text, "Program that finds the kernel, usually pygrub.", { guests: ["pv", "pvh"] }),
  bootloader_args: key(
    listOr(list(text), textLike("text of arguments", /\S/), true),
    "The boot loader's arguments.",
    {
      guests: ["pv", "pvh"],
    },
  ),
  bootloader_restrict: key(boolean, "Runs the boot loader with as few rights as can be.", {
    since: "4.19",
    guests: ["pv", "pvh"],
  }),
  bootloader_user: key(text, "The user that a restricted boot loader runs as.", {
    since: "4.19",
    guests: ["pv", "pvh"],
  }),
  pvshim: key(boolean, "Runs a PV guest inside a PVH container.", { guests: ["pvh"] }),
  pvshim_path: key(path, "Another PV shim.", { guests: ["pvh"] }),
  pvshim_cmdline: key(text, 'The shim\'s command line; "pv-shim console=xen,pv" by default.', {
    guests: ["pvh"],
  }),
  pvshim_extra: key(text, "More for the shim's command line.", { guests: ["pvh"] }),
}
