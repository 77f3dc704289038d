import { readFile } from "node:fs/promises"
import test from "ava"
import { vifSpec } from "../src/devices/vif.ts"
import {
  check,
  configOf,
  type DomainConfig,
  generate,
  type KeyName,
  keyOf,
  keys,
  migrate,
  parse,
  parseVif,
  printVif,
  type Vif,
  XlcfgError,
} from "../src/index.ts"
import { mutate } from "./helpers/cfgs.ts"
import { Random } from "./helpers/random.ts"
import { type DryRun, prepareXl, type Xl } from "./helpers/xl.ts"

let xl: Xl
test.before(async () => {
  xl = await prepareXl()
})
test.after.always(() => xl?.dispose())

const pv = { name: "a", kernel: "/k", memory: 64 } as const
const pvh = { ...pv, type: "pvh" } as const
const hvm = { name: "a", type: "hvm", memory: 64 } as const

/** For every key of the table that xl 4.17 reads: a domain that sets it to a value that it should take. */
const domains: DomainConfig[] = [
  {
    ...pv,
    type: "pv",
    uuid: "12345678-1234-5678-9abc-123456789abc",
    pool: "Pool-0",
    nomigrate: true,
    driver_domain: false,
  },
  {
    ...pv,
    max_event_channels: 1023,
    max_grant_frames: 64,
    max_maptrack_frames: 0,
    max_grant_version: 2,
    passthrough: "enabled",
  },
  {
    ...pv,
    xend_suspend_evtchn_compat: true,
    vmtrace_buf_kb: 64,
    vpmu: false,
    seclabel: "a:b",
    init_seclabel: "c",
  },
  {
    ...pv,
    on_poweroff: "destroy",
    on_reboot: "restart",
    on_watchdog: "rename-restart",
    on_crash: "preserve",
    on_soft_reset: "soft-reset",
  },
  { ...pv, ramdisk: "/r", cmdline: "a=b" },
  { ...pv, root: "/dev/xvda", extra: "quiet" },
  { name: "a", memory: 64, bootloader: "pygrub", bootloader_args: ["--entry", "1"] },
  { name: "a", memory: 64, firmware: "pvgrub64" },
  {
    ...pvh,
    pvshim: true,
    pvshim_path: "/s",
    pvshim_cmdline: "x",
    pvshim_extra: "y",
    timer_mode: "no_missed_ticks_pending",
    nestedhvm: true,
  },
  { ...pvh, hap: true, oos: false, shadow_memory: 8, acpi: true, altp2m: "external" },
  {
    ...pv,
    vcpus: 2,
    maxvcpus: 4,
    cpus: "0-3,^1",
    cpus_soft: ["0", "1,2"],
    cpu_weight: 512,
    cap: 50,
    cpuid: "host,tm=0",
  },
  {
    ...pv,
    period: 1,
    slice: 1,
    latency: 1,
    extratime: 0,
    cpuid: [`1:ecx=${"x".repeat(32)}`],
    tsc_mode: "native",
  },
  { ...pv, localtime: true, rtc_timeoffset: -3600, maxmem: 128, e820_host: true },
  { name: "a", kernel: "/k", vnuma: [{ pnode: 0, size: 64, vcpus: "0-1", vdistances: [10] }] },
  { ...pv, disk: [{ vdev: "xvda", target: "/dev/x,y" }, { vdev: "hdc", cdrom: true }, "phy:/dev/z,xvdb,r"] },
  {
    ...pv,
    vif: [
      {
        mac: "00:16:3e:00:00:01",
        bridge: "br0",
        ip: "10.0.0.2 fd00::2",
        rate: "1MB/s@20ms",
        mtu: 1400,
        trusted: false,
      },
      "",
    ],
  },
  {
    ...pv,
    channel: [
      { connection: "pty", name: "c" },
      { connection: "socket", name: "d", path: "/s" },
    ],
  },
  {
    ...pv,
    p9: [{ tag: "t", path: "/p", security_model: "none" }],
    vtpm: [{ backend: "v" }],
    pvcalls: [{ backend: "0" }],
  },
  {
    ...pv,
    usbctrl: [{ type: "qusb", version: 2, ports: 4 }],
    usbdev: [{ hostbus: 1, hostaddr: 2, controller: 0, port: 1 }],
  },
  { ...pv, vfb: [{ vnc: true, vnclisten: "127.0.0.1", vncdisplay: 1 }], vkb: [{ "backend-type": "qemu" }] },
  {
    ...pv,
    vdispl: [{ connectors: ["id0:1920x1080", "id1:800x600"] }],
    vsnd: [["CARD, short-name=Main", "PCM, name=a", "STREAM, type=P"]],
  },
  {
    ...pv,
    pci: [{ bdf: "03:00.0", permissive: true }],
    pci_permissive: true,
    pci_msitranslate: true,
    pci_seize: true,
  },
  { ...pv, dtdev: ["/soc/x"], ioports: ["2f8-2ff", "3f8"], iomem: ["fe,1", "fd,1@0"], irqs: [5] },
  {
    ...hvm,
    pci_power_mgmt: true,
    rdm: { strategy: "host", policy: "relaxed" },
    rdm_mem_boundary: 2048,
    gfx_passthru: "igd",
  },
  {
    ...hvm,
    boot: "cd",
    bios: "seabios",
    bios_path_override: "/b",
    firmware_override: "/f",
    acpi_s3: true,
    acpi_s4: true,
  },
  {
    ...hvm,
    acpi_laptop_slate: false,
    acpi_firmware: "/a",
    smbios_firmware: "/s",
    ms_vm_genid: "generate",
    apic: true,
    pae: true,
    nx: true,
  },
  {
    ...hvm,
    hpet: true,
    vpt_align: true,
    mmio_hole: 3072,
    viridian: ["base", "!freq"],
    xen_platform_pci: true,
    vendor_device: "xenserver",
  },
  {
    ...hvm,
    mca_caps: ["lmce"],
    hdtype: "ahci",
    serial: "pty",
    soundhw: "hda",
    usb: true,
    usbdevice: ["tablet"],
    vkb_device: true,
  },
  {
    ...hvm,
    usbversion: 2,
    serial: ["pty", "null"],
    viridian: true,
    usbdevice: "tablet",
    vga: "stdvga",
    videoram: 16,
  },
  {
    ...hvm,
    nographic: true,
    vnc: true,
    vnclisten: "0.0.0.0",
    vncdisplay: 2,
    vncunused: false,
    vncpasswd: "x",
    keymap: "de",
  },
  {
    ...hvm,
    sdl: false,
    opengl: false,
    display: ":0",
    xauthority: "/x",
    spice: true,
    spicehost: "::",
    spiceport: 6000,
    spicetls_port: 0,
  },
  {
    ...hvm,
    spicedisable_ticketing: true,
    spicepasswd: "p",
    spiceagent_mouse: true,
    spicevdagent: true,
    spice_clipboard_sharing: true,
  },
  { ...hvm, spiceusbredirection: 4, spice_image_compression: "lz", spice_streaming_video: "off" },
  {
    ...hvm,
    device_model_version: "qemu-xen",
    device_model_override: "/q",
    device_model_stubdomain_override: false,
    dm_restrict: true,
  },
  {
    ...hvm,
    device_model_stubdomain_seclabel: "l",
    device_model_user: "u",
    stubdomain_kernel: "/k",
    stubdomain_cmdline: "c",
  },
  {
    ...hvm,
    stubdomain_ramdisk: "/r",
    stubdomain_memory: 128,
    device_model_args: ["-a"],
    device_model_args_pv: [],
    device_model_args_hvm: ["-b"],
  },
  { ...pv, device_tree: "/d", gic_version: "v3", vuart: "sbsa_uart", tee: "optee" },
]

test("what generate writes, xl of Xen 4.17 reads without a complaint, for every key that it knows", async t => {
  for (const domain of domains) {
    const cfg = generate(domain)
    const { accepted, complaints } = await xl.read(cfg)
    t.true(accepted, cfg)
    t.deepEqual(complaints, [], cfg)
    t.deepEqual(
      check(cfg, { target: "4.17" }).filter(finding => finding.severity === "error"),
      [],
      cfg,
    )
  }
  const tried = new Set(domains.flatMap(domain => Object.keys(domain)))
  const untried = (Object.keys(keys) as KeyName[]).filter(name => {
    const { since, deprecated, ignored } = keyOf(name)
    return !tried.has(name) && !since && !deprecated && !ignored
  })
  t.deepEqual(untried, ["msr_relaxed"], "xl always warns of msr_relaxed, so it is not tried")
})

test("a configuration that is read and generated again means the same to xl", async t => {
  for (const domain of domains) {
    const again = generate(configOf(parse(generate(domain))))
    const [first, second] = await Promise.all([xl.read(generate(domain)), xl.read(again)])
    for (const { domain } of [first, second]) for (const name of ["uuid", "ms_vm_genid"]) scrub(domain, name)
    t.deepEqual(second.domain, first.domain, again)
  }
})

/** Removes what xl makes anew at each run. */
function scrub(domain: DryRun["domain"], name: string): void {
  for (const part of [domain.c_info, domain.b_info?.["type.hvm"]]) if (part) delete part[name]
}

for (const { title, cfg, says } of [
  { title: "refuses builder='linux'", cfg: "builder='linux'", says: "Invalid domain type" },
  { title: "drops a vif that is no list", cfg: "vif='bridge=x'", says: "should be a list" },
  { title: "skips a vif option with blanks", cfg: "vif=['bridge = x']", says: "unrecognized argument" },
  { title: "refuses a disk without a vdev", cfg: "disk=['/dev/x,raw']", says: "no vdev specified" },
  { title: "refuses maxvcpus below vcpus", cfg: "vcpus=4\nmaxvcpus=2", says: "maxvcpus < vcpus" },
  { title: "drops a memory that is no number", cfg: "memory='64M'", says: "not a valid number" },
  {
    title: "refuses kernel and firmware together",
    cfg: "firmware='pvgrub64'",
    says: "both kernel and firmware",
  },
  { title: "refuses an unknown action", cfg: "on_crash='explode'", says: "Unknown on_crash" },
  {
    title: "refuses an unknown PCI option",
    cfg: "pci=['03:00.0,colour=1']",
    says: "unable to parse PCI_SPEC_STRING",
  },
  {
    title: "refuses a channel without a connection",
    cfg: "channel=['name=x']",
    says: "unknown 'connection'",
  },
  { title: "refuses a bad CPU list", cfg: "cpus='a-b'", says: "Invalid pcpu range" },
]) {
  test(`where xl ${title}, check has an error, and not before`, async t => {
    const base =
      `name="a"\ntype="${cfg.startsWith("builder") ? "" : "pv"}"\nkernel="/k"\nmemory=64\n`.replace(
        'type=""\n',
        "",
      )
    const { complaints } = await xl.read(`${base}${cfg}\n`)
    t.true(
      complaints.some(line => line.includes(says)),
      complaints.join("\n"),
    )
    t.true(check(`${base}${cfg}\n`).some(finding => finding.severity === "error"))
    t.deepEqual((await xl.read(base)).complaints, [])
    t.false(check(base).some(finding => finding.severity === "error"))
  })
}

test("a MirageOS configuration of 2015 is refused by xl of Xen 4.17, and read once it is migrated", async t => {
  const old = await readFile(new URL("fixtures/mirage-2015.xl", import.meta.url), "utf8")
  t.false((await xl.read(old)).accepted)
  const { document, changes } = migrate(parse(old))
  const { accepted, domain, complaints } = await xl.read(document.print())
  t.true(accepted)
  t.deepEqual(complaints, [])
  t.is(domain.c_info.type, "pv")
  t.deepEqual(domain.nics, [{ devid: 0, mac: "00:16:3e:74:3d:76", bridge: "xenbr0" }])
  t.deepEqual(domain.disks, [{ pdev_path: "/dev/loop0", vdev: "xvdb", format: "raw", readwrite: 1 }])
  t.deepEqual(
    changes.map(change => change.key),
    ["builder", "disk", "vif"],
  )
})

test("of 20,000 generated and mutated vif specifications, ours reads what xl reads and complains where xl does", async t => {
  const random = new Random(20261122)
  for (let round = 0; round < 20; round++) {
    const specs = Array.from({ length: 500 }, () => randomVif(random)).flatMap(spec => [
      spec,
      mutate(random, spec, "abe:=01,f -").replace(/[\\"\0\n]/g, ""),
    ])
    const readable = specs.filter(spec => !refusedWhole(spec))
    const list = readable.map(spec => `"${spec}"`).join(",")
    const { domain, complaints } = await xl.read(`name="a"\nkernel="/k"\nmemory=1\nvif=[${list}]\n`)
    let complained = 0
    readable.forEach((spec, index) => {
      const problems: string[] = []
      const ours = vifSpec.scan(
        spec,
        problem => problem.code !== "too-new" && problems.push(problem.message),
      ) as Vif
      complained += problems.length
      const theirs = domain.nics[index]
      for (const [name, field] of [
        ["bridge", "bridge"],
        ["script", "script"],
        ["vifname", "ifname"],
        ["model", "model"],
        ["backend", "backend_domname"],
        ["gatewaydev", "gatewaydev"],
        ["ip", "ip"],
        ["mtu", "mtu"],
      ] as const)
        if (!problems.some(problem => problem.includes(`${name}=`)))
          t.is(ours[name], theirs[field], `${name} of ${JSON.stringify(spec)}`)
      // xl takes any six hexadecimal numbers for a MAC address, and digits with anything behind them for an MTU:
      // ours reports these, and there is nothing to compare.
      if (!problems.some(problem => problem.includes("mac="))) t.is(ours.mac, theirs.mac, spec)
      t.is(ours.trusted, { True: true, False: false, undefined: undefined }[String(theirs.trusted)], spec)
    })
    t.true(complained >= complaints.length, `${complained} ${complaints.length}`)
  }
})

/** Where xl ends with an error for the whole file, and with it for every other specification in it. */
function refusedWhole(spec: string): boolean {
  return /(^|, *)(rate|devid|mtu)=/.test(spec) && vifProblems(spec)
}

function vifProblems(spec: string): boolean {
  try {
    parseVif(spec)
    return false
  } catch (error) {
    if (error instanceof XlcfgError) return true
    throw error
  }
}

function randomVif(random: Random): string {
  const parts = [
    ...[
      "mac=00:16:3e:12:34:56",
      "mac=00:16:3E:aB:cd:ef",
      "mac=1:2:3:4:5:6",
      "mac=00-16-3e-00-00-01",
      "mac=zz",
      "mac=",
    ],
    ...[
      "bridge=xenbr0",
      "bridge = xenbr0",
      "bridge=",
      "ip=10.0.0.1",
      "ip=10.0.0.1 10.0.0.2",
      "script=vif-route",
      "vifname=v0",
    ],
    ...[
      "type=ioemu",
      "type=vif",
      "type=x",
      "model=e1000",
      "backend=net",
      "gatewaydev=eth0",
      "netdev=eth1",
      "rate=10Mb/s",
    ],
    ...["mtu=1400", "trusted", "untrusted", "trusted ", "colour=red", "", " ", "accel=1"],
  ]
  return Array.from({ length: random.below(4) }, () => random.pick(parts)).join(
    random.pick([",", ", ", ",,"]),
  )
}

test("the text of a vif is read back from xl as it was meant", async t => {
  const vif: Vif = {
    mac: "00:16:3e:00:00:01",
    bridge: "xenbr0",
    ip: "10.0.0.1 fd00::1",
    script: "vif-bridge",
    rate: "10Mb/s",
    trusted: true,
  }
  const { domain } = await xl.read(`name="a"\nkernel="/k"\nmemory=1\nvif=["${printVif(vif)}"]\n`)
  t.like(domain.nics[0], {
    mac: vif.mac,
    bridge: vif.bridge,
    ip: vif.ip,
    script: vif.script,
    trusted: "True",
    rate_bytes_per_interval: 62500,
  })
})

const pool = [
  ...[
    "0",
    "1",
    "2",
    "-1",
    "64",
    "0x40",
    "99999999999",
    "''",
    "'x'",
    "'1x'",
    "'pv'",
    "'hvm'",
    "'default'",
    "'/k'",
    "'destroy'",
    "'igd'",
    "[]",
    "['']",
    "['x']",
  ],
  ...[
    "[1]",
    "[[]]",
    "['all']",
    "'0-3,^1'",
    "['0', '1']",
    "'host'",
    "'none'",
    "['a=b']",
    "['bridge=x']",
    "['/d,raw,xvda']",
    "['03:00.0']",
    "'pty'",
    "['tablet']",
  ],
  ...[
    "['connection=pty,name=x']",
    "['backend=0']",
    "['type=qusb,ports=4']",
    "['hostbus=1,hostaddr=2']",
    "'enabled'",
    "'native'",
    "'seabios'",
    "'v3'",
  ],
]

test("what check finds no error in, xl reads without a complaint: 500 files of random keys and values", async t => {
  const random = new Random(9)
  const names = (Object.keys(keys) as KeyName[]).filter(name => !keyOf(name).since && name !== "name")
  let clean = 0
  for (let round = 0; round < 500; round++) {
    const type = random.pick(["pv", "pvh", "hvm"])
    const lines = Array.from(
      { length: 1 + random.below(2) },
      () => `${random.pick(names)} = ${random.pick(pool)}\n`,
    )
    const cfg = `name = 'a'\ntype = '${type}'\n${type === "hvm" ? "" : "kernel = '/k'\n"}memory = 64\n${lines.join("")}`
    if (check(cfg, { target: "4.17" }).some(({ severity }) => severity === "error")) continue
    clean++
    const { accepted, complaints } = await xl.read(cfg)
    t.true(accepted, `${cfg}\n${complaints.join("\n")}`)
    t.deepEqual(
      complaints.filter(line => !/^WARNING|deprecated|in favour of cmdline|xen-devel/i.test(line)),
      [],
      cfg,
    )
  }
  t.true(clean > 60, `only ${clean} files were clean`)
})
