import { readdirSync, readFileSync } from "node:fs"
import test from "ava"
import {
  type CheckOptions,
  check,
  checkHost,
  describe,
  type ProblemCode,
  parse,
  problemCodes,
} from "../src/index.ts"

const base = 'name = "a"\ntype = "pvh"\nkernel = "/k"\nmemory = 64\n'
const mac = "00:16:3e:00:00:01"

interface Case {
  /** Added to a sound configuration, or the whole one. */
  readonly cfg: string
  readonly whole?: true
  readonly code: ProblemCode
  readonly line: number
  readonly column: number
  readonly says?: RegExp
  readonly remedy?: RegExp
  readonly options?: CheckOptions
}

const cases: readonly Case[] = [
  { cfg: "memory = 0xFF\n", code: "syntax", line: 5, column: 12, says: /lower case/ },
  { cfg: "memroy = 1\n", code: "unknown-key", line: 5, column: 10, remedy: /did you mean memory\?/ },
  {
    cfg: 'on_crsah = "destroy"\n',
    code: "unknown-key",
    line: 5,
    column: 12,
    remedy: /did you mean on_crash\?/,
  },
  { cfg: "autoballoon_of_the_host = 1\n", code: "unknown-key", line: 5, column: 27, remedy: /remove it/ },
  {
    cfg: "virtio = []\n",
    code: "too-new",
    line: 5,
    column: 10,
    options: { target: "4.17" },
    says: /xl 4.17 does not know it, xl 4.18 does/,
  },
  {
    cfg: "vif = ['bridge=x', 'bridge=y,vlan=10p/20']\n",
    code: "too-new",
    line: 5,
    column: 20,
    options: { target: "4.18" },
  },
  {
    cfg: "disk = ['/d,raw,xvda,rw,trusted']\n",
    code: "too-new",
    line: 5,
    column: 9,
    options: { target: "4.17" },
  },
  { cfg: "tee = 'ffa'\n", code: "too-new", line: 5, column: 7, options: { target: "4.17" } },
  {
    cfg: "vif = 'bridge=x'\n",
    code: "wrong-type",
    line: 5,
    column: 7,
    says: /xl drops it/,
    remedy: /put it in \[ \]/,
  },
  { cfg: "memory = [64]\n", code: "wrong-type", line: 5, column: 10 },
  { cfg: "vif = [['bridge=x']]\n", code: "wrong-type", line: 5, column: 8 },
  { cfg: "vcpus = 'two'\n", code: "bad-value", line: 5, column: 9, says: /"two" is no number/ },
  { cfg: "type = ''\n", code: "bad-value", line: 5, column: 8, says: /one of "pv", "pvh", "hvm"/ },
  { cfg: "on_crash = 'explode'\n", code: "bad-value", line: 5, column: 12 },
  { cfg: "cpus = ['0', '3-1']\n", code: "bad-value", line: 5, column: 14 },
  { cfg: "uuid = 'abc'\n", code: "bad-value", line: 5, column: 8 },
  { cfg: "pci = ['03:00.0', '3']\n", code: "bad-value", line: 5, column: 19 },
  {
    cfg: "vif = ['bridge=x,type=e1000']\n",
    code: "bad-value",
    line: 5,
    column: 8,
    says: /type=e1000 in a vif is not one of vif, ioemu/,
  },
  {
    cfg: "vnuma = [['pnode=0', 'size=64', 'vcpus=0', 'vdistances=10,20']]\n",
    code: "bad-value",
    line: 5,
    column: 10,
    says: /2 distances for 1 nodes/,
  },
  { cfg: "vcpus = 0\n", code: "out-of-range", line: 5, column: 9 },
  { cfg: "cpu_weight = 70000\n", code: "out-of-range", line: 5, column: 14, says: /1 to 65535/ },
  {
    cfg: "memory = 64\nkernel = '/k'\n",
    whole: true,
    code: "missing-key",
    line: 1,
    column: 1,
    says: /no name/,
  },
  {
    cfg: "name = 'a'\nmemory = 64\n",
    whole: true,
    code: "missing-key",
    line: 1,
    column: 1,
    says: /pv guest needs a kernel/,
  },
  { cfg: "channel = ['name=x']\n", code: "missing-key", line: 5, column: 12, says: /no connection=/ },
  {
    cfg: "channel = ['name=x, connection = socket']\n",
    code: "missing-key",
    line: 5,
    column: 12,
    says: /no path=/,
  },
  {
    cfg: "name='a'\nkernel='/k'\nmemory=1\nbuilder='linux'\n",
    whole: true,
    code: "old-builder",
    line: 4,
    column: 9,
    remedy: /type = "pv"/,
  },
  { cfg: "builder = 'hvm'\n", code: "contradiction", line: 5, column: 11, says: /type says pvh/ },
  {
    cfg: "maxmem = 32\n",
    code: "contradiction",
    line: 5,
    column: 10,
    says: /32 MiB is less than memory, 64 MiB/,
  },
  { cfg: "vcpus = 4; maxvcpus = 2\n", code: "contradiction", line: 5, column: 23 },
  { cfg: "firmware = 'pvgrub64'\n", code: "contradiction", line: 5, column: 12 },
  {
    cfg: "maxmem = 100\nvnuma = [['pnode=0', 'size=64', 'vcpus=0', 'vdistances=10']]\n",
    code: "contradiction",
    line: 6,
    column: 9,
  },
  {
    cfg: "disk = ['/dev/x,raw,xvda,rw,more']\n",
    code: "bad-disk",
    line: 5,
    column: 9,
    says: /more than target, format, vdev and access/,
  },
  { cfg: "disk = ['/dev/x,raw,sdz99']\n", code: "bad-disk", line: 5, column: 9, says: /"sdz99" is no vdev/ },
  { cfg: "disk = ['/dev/x,raw']\n", code: "missing-vdev", line: 5, column: 9 },
  { cfg: "disk = ['/dev/x,raw,,rw']\n", code: "missing-vdev", line: 5, column: 9 },
  {
    cfg: "disk = ['/a,,xvda',\n  '/b,,d0']\n",
    code: "duplicate-vdev",
    line: 6,
    column: 3,
    says: /d0 is the name of disk 1/,
  },
  {
    cfg: "vif = ['bridge = x']\n",
    code: "vif-option",
    line: 5,
    column: 8,
    remedy: /write bridge=x, without blanks/,
  },
  { cfg: "vif = ['bridge=']\n", code: "vif-option", line: 5, column: 8 },
  { cfg: "vif = ['bridge=x,mac=00163e000001']\n", code: "bad-mac", line: 5, column: 8 },
  { cfg: "vif = ['bridge=x,mac=01:16:3e:00:00:01']\n", code: "bad-mac", line: 5, column: 8 },
  {
    cfg: `vif = ['bridge=x,mac=${mac}', 'bridge=x,mac=${mac.toUpperCase()}']\n`,
    code: "duplicate-mac",
    line: 5,
    column: 42,
  },
  {
    cfg: "ramdisk = '/r'\n",
    code: "missing-file",
    line: 5,
    column: 11,
    options: { exists: path => path === "/k" },
  },
  {
    cfg: "disk = ['vg/x,,xvda']\n",
    code: "missing-file",
    line: 5,
    column: 9,
    says: /^\/dev\/vg\/x does/,
    options: { exists: path => path === "/k" },
  },
  { cfg: "spice = 1\n", code: "ignored", line: 5, column: 9, says: /for hvm guests only, and this is pvh/ },
  { cfg: "vif2 = []\n", code: "ignored", line: 5, column: 8 },
  { cfg: "cmdline = 'a'\nextra = 'b'\n", code: "ignored", line: 6, column: 9, says: /cmdline in its place/ },
  {
    cfg: "disk = ['phy:/dev/x,xvda,w']\n",
    code: "deprecated",
    line: 5,
    column: 9,
    remedy: /format=raw,vdev=xvda,access=rw,target=\/dev\/x/,
  },
  { cfg: "vif = ['netdev=eth0']\n", code: "deprecated", line: 5, column: 8, remedy: /gatewaydev=/ },
  { cfg: "tsc_mode = 2\n", code: "deprecated", line: 5, column: 12, remedy: /"native"/ },
  { cfg: "bootloader_args = '--x'\n", code: "deprecated", line: 5, column: 19 },
  { cfg: "name='a'\nkernel='/k'\n", whole: true, code: "memory-default", line: 1, column: 1 },
  { cfg: "memory = 128\n", code: "overridden", line: 4, column: 1, says: /line 5 sets it again/ },
  { cfg: "extra = 'a\\012b'\n", code: "lost-octal", line: 5, column: 9 },
  { cfg: "%", code: "stray-character", line: 5, column: 1 },
  { cfg: "vif = ['']\n", code: "default-bridge", line: 5, column: 8 },
]

for (const { cfg, whole, code, line, column, says = /./, remedy = /(?:)/, options } of cases) {
  test(`check finds ${code} in ${JSON.stringify(cfg)}${options?.target ? ` for xl ${options.target}` : ""}`, t => {
    const findings = check(whole ? cfg : base + cfg, options)
    const found = findings.find(finding => finding.code === code && says.test(finding.message))
    t.truthy(found, JSON.stringify(findings, null, 1))
    t.is(found!.severity, problemCodes[code][0])
    t.deepEqual([found!.position.line, found!.position.column], [line, column])
    t.regex(found!.remedy ?? "", remedy)
  })
}

test("every code of a single file has a case here, and the others are of several files or of a kernel", t => {
  const tried = new Set(cases.map(({ code }) => code))
  const rest = Object.keys(problemCodes).filter(code => !tried.has(code as ProblemCode))
  t.deepEqual(rest.sort(), ["duplicate-ip", "duplicate-name", "host-memory", "missing-device", "shared-disk"])
})

for (const cfg of [
  base,
  `${base}vif = [ "bridge=xenbr0,mac=${mac},ip=10.0.0.1 fd00::1" ]\ndisk = [ "vdev=xvda,target=/a,b" ]\n`,
  `${base}virtio = [ "type=virtio,device22,transport=mmio" ]\n`,
  'name = "h"\ntype = "hvm"\nmemory = "512"\nvnc = 1\nserial = "pty"\nboot = "cd"\n',
  `${base}vcpus = 2\nvnuma = [["pnode=0", "size=64", "vcpus=0-1", "vdistances=10"]]\n`,
  `${base}extra = "a"\nextra += " b"\n`,
]) {
  test(`check finds nothing in ${JSON.stringify(cfg.slice(base.length) || cfg)}`, t =>
    t.deepEqual(check(cfg), []))
}

test("files are looked for only where a lookup is given, and not behind scripts and other domains", t => {
  const disks = "disk = ['script=x,vdev=xvda,target=a', 'backend=d,vdev=xvdb,target=/b', 'vdev=hdc,cdrom']\n"
  t.deepEqual(check(base + disks), [])
  t.deepEqual(check(base + disks, { exists: path => (path === "/k" ? true : undefined) }), [])
})

test("Debian's own examples hold nothing worse than interfaces on the default bridge", t => {
  const examples = readdirSync("/etc/xen").filter(name => name.startsWith("xlexample."))
  t.true(examples.length >= 3, "apt-get install xen-utils-common")
  for (const name of examples) {
    const text = readFileSync(`/etc/xen/${name}`, "utf8")
    t.deepEqual(
      check(text, { target: "4.17" }).map(({ code }) => code),
      ["default-bridge"],
      name,
    )
  }
})

test("a finding is one line with file, place, severity, remedy and code", t => {
  const [finding] = check(`${base}memroy = 1\n`)
  t.is(
    describe(finding!, "www.xl"),
    "www.xl:5:10: error: memroy: xl knows no such key and skips it silently; did you mean memory? [unknown-key]",
  )
})

test("findings come in the order of the text", t => {
  const offsets = check(`${base}a = 1\nb = 2\nmemory = 1\nvif = ['', 'x']\n`).map(
    finding => finding.position.offset,
  )
  t.deepEqual(
    offsets,
    [...offsets].sort((a, b) => a - b),
  )
  t.true(offsets.length > 4)
})

const domain = (name: string, more = "") => ({
  file: `${name}.xl`,
  document: parse(`name = "${name}"\nkernel = "/k"\nmemory = 64\n${more}`),
})

for (const { title, files, codes, memory } of [
  { title: "nothing in two domains that share nothing", files: [domain("a"), domain("b")], codes: [] },
  {
    title: "the same name twice",
    files: [domain("a"), { ...domain("a"), file: "other.xl" }],
    codes: ["duplicate-name"],
  },
  {
    title: "the same UUID twice",
    files: ["a", "b"].map(name =>
      domain(name, `uuid = "12345678-1234-1234-1234-12345678${name === "a" ? "ABCD" : "abcd"}"\n`),
    ),
    codes: ["duplicate-name"],
  },
  {
    title: "the same MAC twice",
    files: ["a", "b"].map(name => domain(name, `vif = ["mac=${mac}"]\n`)),
    codes: ["duplicate-mac"],
  },
  {
    title: "an IP address among several twice",
    files: [
      domain("a", 'vif = ["ip=10.0.0.1 FD00::1"]\n'),
      domain("b", 'vif = ["bridge=x", "ip=fd00::1"]\n'),
    ],
    codes: ["duplicate-ip"],
  },
  {
    title: "a disk that both write",
    files: ["a", "b"].map(name => domain(name, 'disk = ["/dev/x,,xvda"]\n')),
    codes: ["shared-disk"],
  },
  {
    title: "a disk that one writes and one reads",
    files: [domain("a", 'disk = ["/dev/x,,xvda,r"]\n'), domain("b", 'disk = ["/dev/x,,xvda"]\n')],
    codes: ["shared-disk"],
  },
  {
    title: "nothing in a disk that both read",
    files: ["a", "b"].map(name => domain(name, 'disk = ["/dev/x,,xvda,r"]\n')),
    codes: [],
  },
  {
    title: "more memory than the host has",
    files: [domain("a"), domain("b")],
    memory: 100,
    codes: ["host-memory"],
  },
  { title: "nothing where the memory just fits", files: [domain("a"), domain("b")], memory: 128, codes: [] },
]) {
  test(`among the files of a host, checkHost finds ${title}`, t => {
    const findings = checkHost(files, memory === undefined ? {} : { memory })
    t.deepEqual(
      findings.map(({ code }) => code as string),
      codes,
    )
    for (const { file } of findings) t.is(file, files[1]!.file)
  })
}

test("a finding across files names the other file and its line", t => {
  const [finding] = checkHost(["a", "b"].map(name => domain(name, `vif = ["mac=${mac}"]\n`)))
  t.is(
    describe(finding!, finding!.file),
    `b.xl:4:8: error: vif: ${mac} is used at a.xl:4 already [duplicate-mac]`,
  )
})

test("what is wrong within one domain is no finding across domains", t => {
  t.deepEqual(checkHost([domain("a", `vif = ["mac=${mac}", "mac=${mac}"]\nnonsense = 1\n`)]), [])
})

test("a host without files has nothing to find", t => t.deepEqual(checkHost([], { memory: 1 }), []))
