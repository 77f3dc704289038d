import { key } from "./key.ts"
import { boolean, integer, list, listOr, oneOf, path, text, textLike } from "./type.ts"

const hvm = { guests: ["hvm"] } as const

const enlightenments = [
  ...[
    "base",
    "freq",
    "time_ref_count",
    "reference_tsc",
    "hcall_remote_tlb_flush",
    "apic_assist",
    "crash_ctl",
  ],
  ...["synic", "stimer", "hcall_ipi", "ex_processor_masks", "no_vp_limit", "cpu_hotplug"],
]
/** `!` in front of a group takes it away. */
const enlightenment = textLike(
  "group of enlightenments",
  new RegExp(`^(all|defaults|!?(${enlightenments.join("|")}))$`),
)

const smbiosNames = [
  ...["bios_vendor", "bios_version"],
  ...["manufacturer", "product_name", "version", "serial_number"].map(end => `system_${end}`),
  ...["manufacturer", "product_name", "version", "serial_number", "asset_tag", "location_in_chassis"].map(
    end => `baseboard_${end}`,
  ),
  ...["manufacturer", "serial_number", "asset_tag"].map(end => `enclosure_${end}`),
  ...["battery_manufacturer", "battery_device_name", "oem"],
]
const smbios = textLike(
  "SMBIOS entry, like system_product_name=x",
  new RegExp(`^(${smbiosNames.join("|")})=.`, "s"),
)

/** The machine that a fully virtualised guest sees. */
export const machine = {
  boot: key(
    textLike("order of the letters c (disk), d (CD-ROM), n (network)", /^[a-z]*$/),
    "Order of the devices to boot from.",
    hvm,
  ),
  bios: key(oneOf(["rombios", "seabios", "ovmf"]), "The firmware.", hvm),
  bios_path_override: key(path, "Another file for the firmware.", hvm),
  firmware_override: key(path, "Another hvmloader.", hvm),
  acpi: key(boolean, "ACPI tables.", { guests: ["pvh", "hvm"] }),
  acpi_s3: key(boolean, "ACPI sleep state S3.", hvm),
  acpi_s4: key(boolean, "ACPI sleep state S4.", hvm),
  acpi_laptop_slate: key(boolean, "ACPI laptop and slate devices.", hvm),
  acpi_firmware: key(path, "More ACPI tables.", hvm),
  smbios_firmware: key(path, "SMBIOS structures.", hvm),
  smbios: key(list(smbios), "Texts of the SMBIOS.", { ...hvm, since: "4.18" }),
  ms_vm_genid: key(oneOf(["generate", "none"]), "Microsoft's VM Generation ID.", hvm),
  apic: key(boolean, "A local APIC.", hvm),
  pae: key(boolean, "Physical address extension.", hvm),
  nx: key(boolean, "No-execute pages.", hvm),
  hpet: key(boolean, "A high precision event timer.", hvm),
  vpt_align: key(boolean, "Virtual timers tick together.", hvm),
  mmio_hole: key(
    integer({ min: 256, max: 3840, unit: "MiB" }),
    "Size of the hole below 4 GiB for devices.",
    hvm,
  ),
  altp2m: key(
    oneOf(["disabled", "mixed", "external", "limited"], {
      numbers: ["disabled", "mixed", "external", "limited"],
    }),
    "Alternate guest memory maps.",
    { guests: ["pvh", "hvm"], arch: "x86" },
  ),
  altp2mhvm: key(boolean, "Alternate guest memory maps, as it was said before Xen 4.10.", {
    ...hvm,
    deprecated: 'use altp2m="mixed"',
  }),
  viridian: key(listOr(list(enlightenment), boolean), "Microsoft Hyper-V interfaces.", hvm),
  hvm_pirq: key(boolean, "Interrupts of devices over event channels.", { ...hvm, since: "4.19" }),
  xen_platform_pci: key(boolean, "The Xen platform PCI device, for paravirtual drivers.", hvm),
  vendor_device: key(oneOf(["none", "xenserver"]), "The PCI device of Windows Update's drivers.", hvm),
  mca_caps: key(list(oneOf(["lmce"])), "Machine check abilities beyond the usual ones.", hvm),
  hdtype: key(oneOf(["ide", "ahci"]), "Controller of the disks hda to hdd.", hvm),
  serial: key(listOr(list(text), text), "Where serial ports go: -serial of qemu(1).", hvm),
  soundhw: key(text, "Sound card.", hvm),
  usb: key(boolean, "A USB bus.", hvm),
  usbversion: key(integer({ max: 3 }), "Version of the USB bus: 1, 2 or 3.", hvm),
  usbdevice: key(listOr(list(text), text), "Devices on the USB bus, for example tablet.", hvm),
  vkb_device: key(boolean, "A virtual keyboard.", hvm),
}

/** The program that plays a guest's devices. */
export const deviceModel = {
  device_model_version: key(oneOf(["qemu-xen", "qemu-xen-traditional"]), "Which QEMU."),
  device_model_override: key(path, "Another QEMU."),
  device_model: key(text, "Another QEMU, as it was said for xm.", { ignored: "use device_model_override=" }),
  device_model_stubdomain_override: key(boolean, "QEMU in a domain of its own."),
  device_model_stubdomain_seclabel: key(text, "XSM label of that domain."),
  device_model_user: key(text, "User that a restricted QEMU runs as."),
  dm_restrict: key(boolean, "QEMU with as few rights as can be."),
  stubdomain_kernel: key(path, "Kernel of QEMU's own domain."),
  stubdomain_cmdline: key(text, "Command line of that kernel."),
  stubdomain_ramdisk: key(path, "Ramdisk of that kernel."),
  stubdomain_memory: key(integer({ unit: "MiB" }), "Memory of QEMU's own domain."),
  device_model_args: key(list(text), "More arguments for QEMU."),
  device_model_args_pv: key(list(text), "More arguments for QEMU, with PV guests."),
  device_model_args_hvm: key(list(text), "More arguments for QEMU, with HVM guests."),
}

/** What is seen of the guest. */
export const graphics = {
  videoram: key(integer({ unit: "MiB" }), "Memory of the graphics card."),
  vga: key(oneOf(["none", "stdvga", "cirrus", "qxl"]), "Graphics card.", hvm),
  stdvga: key(boolean, "A standard VGA card.", { ...hvm, deprecated: 'use vga="stdvga"' }),
  nographic: key(boolean, "No graphics card.", hvm),
  vnc: key(boolean, "The display over VNC."),
  vnclisten: key(text, "Address, and display after a colon, that VNC listens on."),
  vncdisplay: key(integer({ max: 59635 }), "Display number of VNC: TCP port 5900 and up."),
  vncunused: key(boolean, "Takes a free display number."),
  vncpasswd: key(text, "VNC password; empty for none at all."),
  vncviewer: key(boolean, "A viewer at the start, as it was said for xm.", {
    ignored: "start one with xl create -V",
  }),
  keymap: key(text, "Keyboard layout."),
  sdl: key(boolean, "The display in an X window."),
  opengl: key(boolean, "OpenGL in that window."),
  display: key(text, "X display of that window."),
  xauthority: key(path, "X authority file for that window."),
  spice: key(boolean, "The display over SPICE.", hvm),
  spicehost: key(text, "Address that SPICE listens on.", hvm),
  spiceport: key(integer({ max: 65535 }), "TCP port of SPICE.", hvm),
  spicetls_port: key(integer({ max: 65535 }), "TLS port of SPICE.", hvm),
  spicedisable_ticketing: key(boolean, "SPICE without a password.", hvm),
  spicepasswd: key(text, "SPICE password.", hvm),
  spiceagent_mouse: key(boolean, "The mouse by SPICE's agent.", hvm),
  spicevdagent: key(boolean, "SPICE's agent in the guest.", hvm),
  spice_clipboard_sharing: key(boolean, "Copy and paste over SPICE.", hvm),
  spiceusbredirection: key(integer({ max: 4 }), "USB devices over SPICE.", hvm),
  spice_image_compression: key(
    oneOf(["auto_glz", "auto_lz", "quic", "glz", "lz", "off"]),
    "Compression of SPICE's images.",
    hvm,
  ),
  spice_streaming_video: key(oneOf(["filter", "all", "off"]), "How SPICE finds video.", hvm),
}
