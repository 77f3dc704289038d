import test from "ava"
import fc from "fast-check"
import {
  type Channel,
  type Disk,
  macFromName,
  normalizeMac,
  type P9,
  type Pci,
  parseChannel,
  parseCpus,
  parseDisk,
  parseP9,
  parsePci,
  parseUsbController,
  parseUsbDevice,
  parseVif,
  printChannel,
  printCpus,
  printDisk,
  printP9,
  printPci,
  printUsbController,
  printUsbDevice,
  printVif,
  ValueError,
  type Vif,
  vdevNumber,
} from "../src/index.ts"

// The examples of upstream's own script, tools/xl/check-xl-disk-parse, and of xl-disk-configuration(5).
const guest = { format: "raw", vdev: "hda", access: "rw", target: "/dev/vg/guest-volume" } as const
const iso = { format: "raw", vdev: "hdc", access: "ro", cdrom: true, target: "/root/image.iso" } as const
for (const [spec, disk] of [
  ["/dev/vg/guest-volume,,hda", guest],
  ["/dev/vg/guest-volume,raw,hda,rw", guest],
  ["format=raw, vdev=hda, access=rw, target=/dev/vg/guest-volume", guest],
  ["raw:/dev/vg/guest-volume,hda,w", guest],
  ["/root/image.iso,,hdc,cdrom", iso],
  ["/root/image.iso,,hdc,,cdrom", iso],
  ["/root/image.iso,raw,hdc,devtype=cdrom", iso],
  ["raw:/root/image.iso,hdc:cdrom,ro", iso],
  [",,hdc:cdrom,r", { format: "empty", vdev: "hdc", access: "ro", cdrom: true, target: "" }],
  ["vdev=hdc,access=r,devtype=cdrom", { format: "empty", vdev: "hdc", access: "ro", cdrom: true }],
  [
    "iscsi:iqn.2001-05.com:0-8a-host,xvda,w",
    { format: "raw", vdev: "xvda", access: "rw", script: "block-iscsi", target: "iqn.2001-05.com:0-8a-host" },
  ],
  ["drbd:app01,hda,w", { format: "raw", vdev: "hda", access: "rw", script: "block-drbd", target: "app01" }],
  ["tap:aio:/i,xvda,w", { format: "raw", vdev: "xvda", access: "rw", target: "/i" }],
  ["tap2:vhd:/i,xvda,w", { format: "vhd", vdev: "xvda", access: "rw", target: "/i" }],
  [
    "discard, vdev=hda, target=/a,b,c",
    { format: "raw", vdev: "hda", access: "rw", discard: true, target: "/a,b,c" },
  ],
  [
    "backendtype=phy,direct-io-safe,vdev=xvdb,access=ro,target=/d",
    { format: "raw", vdev: "xvdb", access: "ro", backendtype: "phy", "direct-io-safe": true, target: "/d" },
  ],
] as const) {
  test(`the disk ${JSON.stringify(spec)} is read, and read the same from its named form`, t => {
    t.deepEqual(parseDisk(spec), disk as Disk)
    // An empty target is none: the named form leaves it out.
    const { target, ...rest } = disk as Disk
    t.deepEqual(parseDisk(printDisk(disk)), target ? (disk as Disk) : rest, printDisk(disk))
  })
}

for (const [spec, problem] of [
  ["/d", /no vdev/],
  ["/d,raw,,", /empty vdev/],
  ["/d,raw,sdz99", /no vdev, like xvda/],
  ["vdev=xvda", /no target/],
  ["/d,floppy,xvda", /unknown format "floppy"/],
  ["/d,raw,xvda,rw,x", /more than target/],
  ["/d,raw,xvda,colour=red", /unknown parameter "colour=r"/],
  ["bad:/d,xvda,w", /unknown prefix "bad:"/],
  ["vdev=xvda,vdev=xvdb,target=/d", /vdev given twice/],
  ["format=raw,format=qcow2,vdev=xvda,target=/d", /format given twice/],
  ["/d,raw,hdc:tape", /unknown device type "tape"/],
  ["x".repeat(20_000), /longer than 16384/],
] as const) {
  test(`the disk ${JSON.stringify(spec.slice(0, 50))} is refused with the reason`, t => {
    t.throws(() => parseDisk(spec), { instanceOf: ValueError, message: problem })
  })
}

for (const disk of [
  { vdev: "xvda", target: "/a\nb" },
  { vdev: "xvda", target: "/a\0b" },
  { vdev: "xvda,access=ro", target: "/a" },
  { vdev: "", target: "/a" },
  { vdev: "xvda" },
  { vdev: "xvda", target: "/a", script: "x,vdev=xvdb" },
  { vdev: "xvda", target: "/a", backend: "d\n" },
]) {
  test(`the disk ${JSON.stringify(disk)} cannot be written`, t => {
    t.throws(() => printDisk(disk), { instanceOf: ValueError })
  })
}

test("any disk that can be written is read back as it was", t => {
  const text = fc.string({ minLength: 1, unit: "grapheme" })
  const disks = fc.record(
    {
      vdev: fc.constantFrom("xvda", "hdc", "sda1", "d3p2", "768"),
      target: text,
      format: fc.constantFrom("raw" as const, "qcow2" as const, "vhd" as const, "qed" as const),
      access: fc.constantFrom("ro" as const, "rw" as const),
      script: text,
      backend: text,
      discard: fc.boolean(),
      trusted: fc.boolean(),
      grant_usage: fc.boolean(),
      "direct-io-safe": fc.constant(true),
      specification: fc.constantFrom("xen" as const, "virtio" as const),
    },
    { requiredKeys: ["vdev", "target"] },
  )
  fc.assert(
    fc.property(disks, disk => {
      let spec: string
      try {
        spec = printDisk(disk)
      } catch (error) {
        return error instanceof ValueError && /[,\n\0]/.test(`${disk.target}${disk.script}${disk.backend}`)
      }
      t.deepEqual(parseDisk(spec), { format: "raw", access: "rw", ...disk }, spec)
      return true
    }),
    { numRuns: 3000 },
  )
})

for (const [spec, vif] of [
  ["", {}],
  [
    "mac=00:16:3E:74:3d:76,model=rtl8139,bridge=xenbr0",
    { mac: "00:16:3e:74:3d:76", model: "rtl8139", bridge: "xenbr0" },
  ],
  ["bridge=br0, ip=10.0.0.1 fd00::1 , untrusted", { bridge: "br0", ip: "10.0.0.1 fd00::1 ", trusted: false }],
  [
    "rate=1MB/s@20ms,vlan=10p/100+10x4,devid=3,mtu=9000",
    { rate: "1MB/s@20ms", vlan: "10p/100+10x4", devid: 3, mtu: 9000 },
  ],
  ["netdev=eth0", { gatewaydev: "eth0" }],
  ["colo_sock_mirror_id=a,forwarddev=b", { colo_sock_mirror_id: "a", forwarddev: "b" }],
] as const) {
  test(`the vif ${JSON.stringify(spec)} is read, and read the same from what is printed`, t => {
    t.deepEqual(parseVif(spec), vif as Vif)
    t.deepEqual(parseVif(printVif(vif as Vif)), vif as Vif)
  })
}

for (const [spec, problem] of [
  ["bridge = x", /does not know "bridge = x" in a vif; write bridge=x, without blanks/],
  ["mac=00:16:3e", /mac=00:16:3e in a vif is not the MAC address/],
  ["mac=ff:ff:ff:ff:ff:ff", /is not the MAC address of one interface/],
  ["rate=fast", /a rate like 10Mb\/s/],
  ["vlan=4095", /1 to 4094/],
  ["mtu=x", /a number from 68 to 65535/],
  ["colour=red", /does not know "colour=red"/],
  ["trusted=1", /does not know "trusted=1"/],
] as const) {
  test(`the vif ${JSON.stringify(spec)} is refused with the reason`, t => {
    t.throws(() => parseVif(spec), { instanceOf: ValueError, message: problem })
  })
}

for (const vif of [
  { bridge: "a,mac=00:16:3e:00:00:01" },
  { mac: "1:2:3" },
  { ip: "1\n2" },
  { mtu: 1.5 },
  { colour: "red" },
]) {
  test(`the vif ${JSON.stringify(vif)} cannot be written`, t => {
    t.throws(() => printVif(vif as Vif), { instanceOf: ValueError })
  })
}

test("an interface's address comes from its name, for ever the same, in Xen's range", t => {
  t.is(macFromName("www"), "00:16:3e:34:60:9f")
  t.is(macFromName("www"), macFromName("www"))
  t.throws(() => macFromName(""), { instanceOf: ValueError })
  const macs = Array.from({ length: 500 }, (_, index) => macFromName(`www/${index}`))
  t.is(new Set(macs).size, 500)
  t.true(macs.every(mac => normalizeMac(mac) === mac && mac.startsWith("00:16:3e:")))
})

for (const [text, mac] of [
  ["00:16:3E:Ab:cD:ef", "00:16:3e:ab:cd:ef"],
  ["0:16:3e:0:0:1", undefined],
  ["00-16-3e-00-00-01", undefined],
  ["00:00:00:00:00:00", undefined],
  ["33:33:00:00:00:01", undefined],
  ["00:16:3e:00:00:01 ", undefined],
] as const) {
  test(`${JSON.stringify(text)} is ${mac ?? "no MAC address of one interface"}`, t =>
    t.is(normalizeMac(text), mac))
}

// xen-vbd-interface(7), and device_virtdisk_matches in libxl_device.c.
for (const [vdev, number] of [
  ["xvda", 51712],
  ["xvda1", 51713],
  ["d0p1", 51713],
  ["xvdq", (1 << 28) | (16 << 8)],
  ["xvdaa", (1 << 28) | (26 << 8)],
  ["hda", 768],
  ["hdb", 832],
  ["hdc", 5632],
  ["sda", 2048],
  ["sdp15", 2048 + 255],
  ["768", 768],
  ["0x300", 768],
  ["hde", undefined],
  ["xvda01", undefined],
  ["sda16", undefined],
  ["floppy", undefined],
  ["", undefined],
] as const) {
  test(`the virtual device ${JSON.stringify(vdev)} has the number ${number}`, t =>
    t.is(vdevNumber(vdev), number))
}

for (const [spec, pci] of [
  ["03:00.0", { bdf: "0000:03:00.0" }],
  ["0001:FF:1f.*@1f,permissive=1", { bdf: "0001:ff:1f.*", vslot: 31, permissive: true }],
  ["bdf=3:0.1,seize=1,rdm_policy=relaxed", { bdf: "0000:03:00.1", seize: true, rdm_policy: "relaxed" }],
  ["name=nic,msitranslate=0", { name: "nic", msitranslate: false }],
] as const) {
  test(`the PCI device ${spec} is read, and read the same from what is printed`, t => {
    t.deepEqual(parsePci(spec), pci as Pci)
    t.deepEqual(parsePci(printPci(pci)), pci as Pci)
  })
}

for (const spec of [
  "",
  "permissive=1",
  "03:20.0",
  "03:00.8",
  "03:00.0,name=x",
  "03:00.0@20",
  "03:00.0,colour=1",
  "03:00.0, seize=1",
  "03:00.0@1@2",
]) {
  test(`the PCI device ${JSON.stringify(spec)} is refused`, t => {
    t.throws(() => parsePci(spec), { instanceOf: ValueError })
  })
}

for (const [list, terms] of [
  ["all", ["all"]],
  [
    "0-3,5,^1",
    [
      { from: 0, to: 3 },
      { from: 5, to: 5 },
      { from: 1, to: 1, not: true },
    ],
  ],
  [
    "node:0,^node:2-3",
    [
      { from: 0, to: 0, nodes: true },
      { from: 2, to: 3, nodes: true, not: true },
    ],
  ],
] as const) {
  test(`the CPU list ${list} is read and printed`, t => {
    t.deepEqual(parseCpus(list), terms as never)
    t.is(printCpus(terms), list)
  })
}

for (const list of ["^all", "3-1", "a", "1-", "-1", "0x1"]) {
  test(`the CPU list ${list} is refused`, t => {
    t.throws(() => parseCpus(list), { instanceOf: ValueError })
  })
}

test("a CPU list without a part, or of no range, cannot be written", t => {
  for (const terms of [[], [{ from: 3, to: 1 }], [{ from: 0.5, to: 1 }]])
    t.throws(() => printCpus(terms), { instanceOf: ValueError })
})

test("channels, shares and USB devices are read and printed in xl's names", t => {
  const channel: Channel = { connection: "socket", name: "org.a.1", path: "/s" }
  t.deepEqual(parseChannel(" connection = socket , name = org.a.1,path=/s"), channel)
  t.deepEqual(parseChannel(printChannel(channel)), channel)
  const share: P9 = { tag: "t", path: "/p", security_model: "none", "max-files": 5 }
  t.deepEqual(parseP9(printP9(share)), share)
  t.deepEqual(parseUsbController(printUsbController({ type: "qusb", version: 2, ports: 8 })), {
    type: "qusb",
    version: 2,
    ports: 8,
  })
  t.deepEqual(parseUsbDevice(printUsbDevice({ hostbus: 1, hostaddr: 3 })), { hostbus: 1, hostaddr: 3 })
  for (const spec of ["connection=pipe,name=x", "name=x", "connection=socket,name=x"])
    t.throws(() => parseChannel(spec), { instanceOf: ValueError })
  t.throws(() => parseUsbController("version=4"), { instanceOf: ValueError, message: /from 1 to 3/ })
  t.throws(() => parseUsbDevice("hostbus=1"), { instanceOf: ValueError, message: /no hostaddr=/ })
  t.throws(() => parseP9("tag=t,path=/p"), { instanceOf: ValueError, message: /no security_model=/ })
  t.deepEqual(parseP9("type=xen_9pfsd"), { type: "xen_9pfsd" })
  t.throws(() => parseP9("security_model=mapped"), { instanceOf: ValueError })
})
