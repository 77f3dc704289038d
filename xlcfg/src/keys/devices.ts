import { diskSpec } from "../devices/disk.ts"
import {
  channelSpec,
  displaySpec,
  framebufferSpec,
  keyboardSpec,
  p9Spec,
  pvcallsSpec,
  rdmSpec,
  usbControllerSpec,
  usbDeviceSpec,
  virtioSpec,
  vtpmSpec,
} from "../devices/others.ts"
import { pciSpec } from "../devices/pci.ts"
import type { Spec } from "../devices/spec.ts"
import { type Vif, vifSpec } from "../devices/vif.ts"
import { key } from "./key.ts"
import { boolean, integer, list, oneOf, spec, text, textLike } from "./type.ts"

/** Devices of the guest. */
export const devices = {
  disk: key(list(spec(diskSpec)), "Disks: xl-disk-configuration(5)."),
  vif: key(list(spec(vifSpec as Spec<Vif>)), "Network interfaces: xl-network-configuration(5)."),
  channel: key(list(spec(channelSpec)), "Byte streams between guest and host: xen-pv-channel(7)."),
  p9: key(list(spec(p9Spec)), "9pfs shares of host folders."),
  usbctrl: key(list(spec(usbControllerSpec)), "USB controllers."),
  usbdev: key(list(spec(usbDeviceSpec)), "USB devices of the host."),
  vfb: key(list(spec(framebufferSpec)), "Paravirtual framebuffers."),
  vkb: key(list(spec(keyboardSpec)), "Virtual keyboards and pointers."),
  vdispl: key(list(spec(displaySpec)), "Virtual displays."),
  vsnd: key(list(list(text)), "Virtual sound cards, each a list of CARD, PCM and STREAM texts."),
  pvcalls: key(list(spec(pvcallsSpec)), "Sockets that the host opens for the guest."),
  virtio: key(list(spec(virtioSpec)), "Virtio devices.", { since: "4.18" }),
  vtpm: key(list(spec(vtpmSpec)), "Virtual TPMs: xen-vtpm(7)."),
  vif2: key(list(text), "Network interfaces of netchannel2.", {
    ignored: "xl does not support netchannel2; use vif=",
  }),
}

const range = (name: string, pattern: RegExp) => list(textLike(name, pattern))

/** Devices of the host passed through. */
export const pci = {
  pci: key(list(spec(pciSpec)), "PCI devices of the host: xl-pci-configuration(5)."),
  pci_permissive: key(boolean, "Default of permissive for all of pci=."),
  pci_msitranslate: key(boolean, "Default of msitranslate for all of pci=."),
  pci_seize: key(boolean, "Default of seize for all of pci=."),
  pci_power_mgmt: key(boolean, "Default of power_mgmt for all of pci=.", { guests: ["hvm"] }),
  rdm: key(spec(rdmSpec), "How reserved memory of devices is treated.", { guests: ["hvm"], arch: "x86" }),
  rdm_mem_boundary: key(integer({ unit: "MiB" }), "Where reserved memory may conflict with RAM.", {
    guests: ["hvm"],
    arch: "x86",
  }),
  gfx_passthru: key(oneOf(["0", "1", "default", "igd"]), "The guest's first graphics card is one of pci=.", {
    guests: ["hvm"],
  }),
  dtdev: key(list(text), "Device tree nodes of the host.", { arch: "arm" }),
  ioports: key(
    range("hexadecimal range of I/O ports, like 2f8-2ff", /^[0-9a-fA-F]{1,8}(-[0-9a-fA-F]{1,8})?$/),
    "I/O ports of the host.",
    { arch: "x86" },
  ),
  iomem: key(
    range(
      "hexadecimal START,PAGES or START,PAGES@GFN",
      /^(0x)?[0-9a-fA-F]+,(0x)?[0-9a-fA-F]+(@(0x)?[0-9a-fA-F]+)?$/,
    ),
    "I/O memory of the host.",
  ),
  irqs: key(list(integer({ max: 2 ** 32 - 2 })), "Interrupts of the host."),
}
