import { boolean, integer, oneOf, required, several, since, text } from "./fields.ts"
import { keyValueSpec } from "./keyValue.ts"
import { parseSpec, type Spec } from "./spec.ts"

const backend = text("a domain")

const uuid = {
  wanted: "a UUID",
  read: (value: string) =>
    /^[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$/i.test(value) ? value.toLowerCase() : undefined,
  write: (value: string) => value,
}

const channelOptions = keyValueSpec(
  "channel",
  {
    connection: required(oneOf(["pty", "socket"])),
    name: required(text("a name")),
    path: text("a path"),
    backend,
  },
  { trims: true },
)
export type Channel = Parsed<typeof channelOptions>

/** Channels: xen-pv-channel(7). */
export const channelSpec: Spec<Channel> = {
  ...channelOptions,
  scan(spec, report) {
    const channel = channelOptions.scan(spec, report)
    if (channel?.connection === "socket" && channel.path === undefined)
      report({
        code: "missing-key",
        message: "a channel with connection=socket has no path=",
        remedy: "add path=",
      })
    return channel
  },
}

const p9Options = keyValueSpec("9pfs share", {
  tag: text("a tag"),
  path: text("a path"),
  security_model: oneOf(["none"]),
  backend,
  type: since("4.19", oneOf(["qemu", "xen_9pfsd"])),
  "max-files": since("4.19", integer()),
  "max-open-files": since("4.19", integer()),
  "max-space": since("4.19", integer()),
  "auto-delete": since("4.19", boolean),
})

export type P9 = Parsed<typeof p9Options>

/** 9pfs shares: `p9=` of xl.cfg(5). Only the daemon of 4.19 (`type=xen_9pfsd`) has defaults for what they are. */
export const p9Spec: Spec<P9> = {
  ...p9Options,
  scan(spec, report) {
    const share = p9Options.scan(spec, report)
    if (share === undefined || share.type === "xen_9pfsd") return share
    for (const name of ["tag", "path", "security_model"] as const)
      if (share[name] === undefined)
        report({ code: "missing-key", message: `the 9pfs share has no ${name}=`, remedy: `add ${name}=` })
    return share
  },
}

export const vtpmSpec = keyValueSpec("vTPM", { backend: required(backend), uuid })

export const pvcallsSpec = keyValueSpec("pvcalls device", { backend })

export const usbControllerSpec = keyValueSpec("USB controller", {
  type: oneOf(["auto", "pv", "qusb", "devicemodel"]),
  version: integer(1, 3),
  ports: integer(1, 31),
})

export const usbDeviceSpec = keyValueSpec("USB device", {
  type: oneOf(["hostdev"]),
  hostbus: required(integer(1, 255)),
  hostaddr: required(integer(1, 255)),
  controller: integer(),
  port: integer(1, 31),
})

export const framebufferSpec = keyValueSpec("framebuffer", {
  vnc: boolean,
  vnclisten: text("an address"),
  vncdisplay: integer(0, 59635),
  vncunused: boolean,
  vncpasswd: text("a password"),
  sdl: boolean,
  opengl: boolean,
  display: text("an X display"),
  xauthority: text("a path"),
  keymap: text("a keymap"),
})

export const keyboardSpec = keyValueSpec("keyboard", {
  "unique-id": text(),
  backend,
  "backend-type": required(oneOf(["qemu", "linux"])),
  "feature-disable-keyboard": boolean,
  "feature-disable-pointer": boolean,
  "feature-abs-pointer": boolean,
  "feature-raw-pointer": boolean,
  "feature-multi-touch": boolean,
  "multi-touch-width": integer(),
  "multi-touch-height": integer(),
  "multi-touch-num-contacts": integer(),
  width: integer(),
  height: integer(),
})

export const displaySpec = keyValueSpec("virtual display", {
  backend,
  "be-alloc": boolean,
  connectors: required(
    several(
      {
        wanted: "ID:WIDTHxHEIGHT",
        read: (value: string) => (/^[^:;,]+:[0-9]+x[0-9]+$/.test(value) ? value : undefined),
        write: (value: string) => value,
      },
      ";",
    ),
  ),
})

/** `type` may hold a comma (`virtio,device22`): {@link virtioSpec} keeps it together. */
const virtioOptions = keyValueSpec("virtio device", {
  type: required(text("a device tree type")),
  transport: oneOf(["mmio"]),
  grant_usage: boolean,
  backend,
})

type Virtio = Parsed<typeof virtioOptions>

/** Virtio devices; their type may hold a comma, as in `virtio,device22`. */
export const virtioSpec: Spec<Virtio> = {
  kind: virtioOptions.kind,
  scan: (spec, report) => {
    const type = /(?:^|,) *type=(virtio[^,]*,[^,]*)/.exec(spec)?.[1]
    if (type === undefined) return virtioOptions.scan(spec, report)
    const rest = virtioOptions.scan(spec.replace(type, "virtio"), report)
    return { ...rest, type }
  },
  print: virtio => {
    const [first, second, ...more] = virtio.type.split(",")
    if (second === undefined || more.length > 0) return virtioOptions.print(virtio)
    return virtioOptions.print({ ...virtio, type: first! }).replace(`type=${first}`, `type=${virtio.type}`)
  },
}

/** `rdm=`: how reserved device memory is treated. */
export const rdmSpec = keyValueSpec("RDM specification", {
  strategy: oneOf(["host"]),
  policy: oneOf(["strict", "relaxed"]),
})

/** What a specification's language reads. */
export type Parsed<S> = S extends Spec<infer T> ? T : never

export type UsbController = Parsed<typeof usbControllerSpec>
export type UsbDevice = Parsed<typeof usbDeviceSpec>

/** Reads one entry of `channel=`. Throws {@link ValueError} for what xl refuses. */
export const parseChannel = (spec: string): Channel => parseSpec(channelSpec, spec)
export const printChannel = (channel: Channel): string => channelSpec.print(channel)
/** Reads one entry of `p9=`. Throws {@link ValueError} for what xl refuses. */
export const parseP9 = (spec: string): P9 => parseSpec(p9Spec, spec)
export const printP9 = (share: P9): string => p9Spec.print(share)
/** Reads one entry of `usbctrl=`. Throws {@link ValueError} for what xl refuses. */
export const parseUsbController = (spec: string): UsbController => parseSpec(usbControllerSpec, spec)
export const printUsbController = (controller: UsbController): string => usbControllerSpec.print(controller)
/** Reads one entry of `usbdev=`. Throws {@link ValueError} for what xl refuses. */
export const parseUsbDevice = (spec: string): UsbDevice => parseSpec(usbDeviceSpec, spec)
export const printUsbDevice = (device: UsbDevice): string => usbDeviceSpec.print(device)
