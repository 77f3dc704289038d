import test from "ava"
import { check, format, migrate, parse } from "../src/index.ts"

for (const [old, today] of [
  ["builder='linux'\n", 'type="pv"\n'],
  ["builder = 'generic' # old\n", 'type = "pv" # old\n'],
  ["builder='hvm'\nkernel='/usr/lib/xen-4.4/boot/hvmloader'\n", 'type="hvm"\n'],
  ["builder='hvm'\ntype='hvm'\n", "type='hvm'\n"],
  ["builder='exotic'\n", "builder='exotic'\n"],
  [
    "disk = [ 'phy:/dev/vg/a,xvda,w', # root\n 'x,raw,xvdb' ]\n",
    "disk = [ \"format=raw,vdev=xvda,access=rw,target=/dev/vg/a\", # root\n 'x,raw,xvdb' ]\n",
  ],
  ["disk = ['tap:qcow2:/i.qcow2,xvda,r']\n", 'disk = ["format=qcow2,vdev=xvda,access=ro,target=/i.qcow2"]\n'],
  [
    "disk = ['file:/i.iso,hdc:cdrom,r']\n",
    'disk = ["format=raw,vdev=hdc,access=ro,devtype=cdrom,target=/i.iso"]\n',
  ],
  ["disk = ['file:/i']\n", "disk = ['file:/i']\n"],
  [
    "vif = ['bridge = xenbr0 , mac = 00:16:3e:00:00:01']\n",
    'vif = ["bridge=xenbr0,mac=00:16:3e:00:00:01"]\n',
  ],
  ["vif = ['ip=10.0.0.1 10.0.0.2']\n", "vif = ['ip=10.0.0.1 10.0.0.2']\n"],
  ["vif = ['netdev=eth0,accel=1']\n", 'vif = ["gatewaydev=eth0"]\n'],
  ["stdvga=1\n", 'vga="stdvga"\n'],
  ["stdvga=0\n", 'vga="cirrus"\n'],
  ["altp2mhvm=1\n", 'altp2m="mixed"\n'],
  ["tsc_mode=2\n", 'tsc_mode="native"\n'],
  ["timer_mode=1\n", 'timer_mode="no_delay_for_missed_ticks"\n'],
  [
    "bootloader = '/usr/bin/pygrub'\nbootloader_args = '--entry 1'\n",
    'bootloader = "pygrub"\nbootloader_args = [ "--entry", "1" ]\n',
  ],
  ["vif2=[]\nvncviewer=1\ndevice_model='qemu'\nname='a'\n", "name='a'\n"],
  ["name = 'a'\ntype = 'pvh'\n", "name = 'a'\ntype = 'pvh'\n"],
] as const) {
  test(`migrate makes ${JSON.stringify(today)} of ${JSON.stringify(old)}, and nothing more of that`, t => {
    const { document, changes } = migrate(parse(old))
    t.is(document.print(), today)
    t.is(changes.length === 0, old === today)
    t.is(migrate(document).document.print(), today)
    t.deepEqual(migrate(document).changes, [])
  })
}

test("where check finds an old form that xl refuses, migrate leaves none", t => {
  const old =
    "name='a'\nkernel='/k'\nmemory=64\nbuilder='linux'\nvif=['bridge = x']\ndisk=['phy:/d,xvda,w']\n"
  t.deepEqual(
    check(old).map(({ code }) => code),
    ["old-builder", "vif-option", "default-bridge", "deprecated"],
  )
  t.deepEqual(check(migrate(parse(old)).document), [])
})

for (const [text, formatted] of [
  ["", ""],
  ["\n\n# only a comment\n", "# only a comment\n"],
  ["a=1", "a = 1\n"],
  ["a='x';b=0x1F\n".toLowerCase(), 'a = "x"\nb = 0x1f\n'],
  ["a   +=   [ 1,2 ,'c' ] # why\n\n\n\nb=2 ;# last\n", 'a += [ 1, 2, "c" ] # why\n\nb = 2 # last\n'],
  ["a=[\n # keep\n 'x' ]\n", "a = [\n # keep\n 'x' ]\n"],
  ["a = 'x\\012y'\n", "a = 'x\\012y'\n"],
  ["# top\na=1;;\n;\n# end\n", "# top\na = 1\n# end\n"],
  ["a=1\n%", "a = 1\n"],
  [`vif=['${"x".repeat(60)}','b']`, `vif = [\n  "${"x".repeat(60)}",\n  "b",\n]\n`],
] as const) {
  test(`the layout of ${JSON.stringify(text).slice(0, 60)} becomes one`, t => {
    const once = format(parse(text))
    t.is(once.print(), formatted)
    t.is(format(once).print(), formatted)
  })
}
