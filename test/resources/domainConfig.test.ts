import test from "ava"
import { check } from "xlcfg"
import { ConfigurationError } from "../../provider/resources/configurationError.ts"
import { computeConfiguration } from "../../provider/resources/domainConfig.ts"
import { defaults, type Inputs } from "../../provider/resources/domainInputs.ts"
import type { Base } from "../../provider/resources/domainSkeleton.ts"

const digest = "a".repeat(64)
const given = (more: Partial<Inputs> = {}): Inputs => ({
  ...defaults,
  connection: { host: "h" },
  name: "www",
  kernel: digest,
  ...more,
})
const text = async (more: Partial<Inputs>, base?: Base): Promise<string> =>
  (await computeConfiguration(given(more), base)).text
const lines = async (more: Partial<Inputs>, base?: Base): Promise<string[]> =>
  (await text(more, base)).trim().split("\n")

const mirage: Base = {
  form: "xl.in",
  text: `name = '@NAME@'
kernel = '@KERNEL@'
type = 'pvh'
memory = @MEMORY@
on_crash = 'preserve'
disk = [ 'format=raw, vdev=xvdb, access=rw, target=@BLOCK:data@' ]
vif = [ 'bridge=@NETWORK:service@' ]
`,
}
const kernel = `kernel = "/var/lib/pulumi-xen/kernels/${digest}"`
const named = {
  networks: [{ bridge: "xenbr0", name: "service" }],
  disks: [{ path: "/dev/vg/www", vdev: "xvdb", access: "rw" as const, name: "data" }],
}
const mac = "00:16:3e:56:dd:3c"

const made: [from: string, more: Partial<Inputs>, base: Base | undefined, has: (string | RegExp)[]][] = [
  [
    "a kernel alone",
    {},
    undefined,
    ['name = "www"', 'type = "pvh"', 'on_crash = "preserve"', kernel, "memory = 32"],
  ],
  ["a kernel that is PV alone", { kinds: ["pv"] }, undefined, ['type = "pv"']],
  ["a kernel that is PVH and multiboot", { kinds: ["pvh", "multiboot1"] }, undefined, ['type = "pvh"']],
  [
    "arguments, quoted where they need it",
    { arguments: ["--ipv4=192.0.2.7/24", "--hello=a b", 'say "x"\\'] },
    undefined,
    ['extra = "--ipv4=192.0.2.7/24 \\"--hello=a b\\" \\"say \\\\\\"x\\\\\\"\\\\\\\\\\""'],
  ],
  [
    "a network, with a MAC address that stays",
    { networks: [{ bridge: "br1" }] },
    undefined,
    [`vif = [ "mac=${mac},bridge=br1" ]`],
  ],
  [
    "a disk, read-only unless it is said",
    { disks: [{ path: "/srv/tls.img", vdev: "xvdb" }] },
    undefined,
    ['disk = [ "format=raw,vdev=xvdb,access=ro,target=/srv/tls.img" ]'],
  ],
  [
    "further keys of xl",
    { config: { on_crash: "restart", cpus: "0", nomigrate: true, max_grant_frames: 4 } },
    undefined,
    ['on_crash = "restart"', 'cpus = "0"', "nomigrate = 1", "max_grant_frames = 4"],
  ],
  [
    "a skeleton as MirageOS writes it",
    named,
    mirage,
    [
      kernel,
      "memory = 32",
      'disk = [ "format=raw,vdev=xvdb,access=rw,target=/dev/vg/www" ]',
      `vif = [ "mac=${mac},bridge=xenbr0" ]`,
    ],
  ],
  [
    "a skeleton, whose devices are taken in their order where they have no names",
    { networks: [{ bridge: "xenbr0" }], disks: [{ path: "/d", vdev: "xvdb", access: "rw" }] },
    mirage,
    [/target=\/d"/],
  ],
  [
    "a skeleton of 2014",
    { networks: [{ bridge: "br0" }] },
    {
      form: "xl",
      text: "name = 'www'\nkernel = '/x'\nbuilder = 'linux'\nmemory = 256\non_crash = 'preserve'\nvif = [ 'mac=c0:ff:ee:c0:ff:ee' ]\n",
    },
    ['type = "pv"', "memory = 256", 'vif = [ "mac=c0:ff:ee:c0:ff:ee,bridge=br0" ]'],
  ],
  [
    "a Handlebars skeleton",
    { networks: [{ bridge: "br0" }], variables: { colour: 'it\'s "red"' } },
    {
      form: "xl.hbs",
      text: 'name = "{{name}}"\ntype = "pvh"\nkernel = "{{kernel}}"\nmemory = {{memory}}\nextra = "--colour={{colour}}"\nvif = [{{#each networks}}"bridge={{bridge}}",{{/each}}]\n',
    },
    ['extra = "--colour=it\'s \\"red\\""', `vif = [ "mac=${mac},bridge=br0" ]`],
  ],
  [
    "a skeleton and more arguments",
    { arguments: ["--b"] },
    { form: "xl", text: "name='www'\ntype='pvh'\nextra='--a'\nmemory=16\n" },
    ['extra = "--a --b"'],
  ],
  [
    "a skeleton and other memory",
    { memory: 64 },
    { form: "xl", text: "name='www'\ntype='pvh'\nmemory=16\n" },
    ["memory = 64"],
  ],
  [
    "a configuration with a UUID and port names, which are the provider's",
    {},
    {
      form: "xl",
      text: "name='www'\ntype='pvh'\nmemory=16\nuuid='7b0e2f4a-1111-4222-8333-0123456789ab'\nvif=['bridge=b,vifname=mine']\n",
    },
    [`vif = [ "mac=${mac},bridge=b" ]`],
  ],
]
for (const [from, more, base, has] of made) {
  test(`${from}: a configuration that xl reads, and that is its own fixed point`, async t => {
    const computed = await text(more, base)
    const found = computed.trim().split("\n")
    for (const line of has) {
      if (typeof line === "string") t.true(found.includes(line), `${line}\nis not in\n${computed}`)
      else t.regex(computed, line)
    }
    t.notRegex(computed, /uuid|vifname/)
    t.deepEqual(
      check(computed).filter(({ severity }) => severity === "error"),
      [],
    )
    t.is(await text({ kernel: undefined }, { form: "xl", text: computed }), computed)
  })
}

test("the order of keys, comments and spellings do not make another configuration", async t => {
  const a =
    "memory=32 # MiB\nname='www'\ntype='pvh'\non_crash='preserve'\nvif=['mac=00:16:3E:00:00:01, bridge=xenbr0']\n"
  const b =
    'type = "pvh"\nvif = [ \'bridge=xenbr0,mac=00:16:3e:00:00:01\' ]\nname = "www"\nmemory = 0x20\non_crash="preserve"\n'
  t.is(await text({}, { form: "xl", text: a }), await text({}, { form: "xl", text: b }))
})

test("a MAC address depends on the domain's name and the interface alone", async t => {
  const macs = async (more: Partial<Inputs>) => (await lines(more)).join().match(/mac=[0-9a-f:]+/g)
  const [first, second] = (await macs({ networks: [{ bridge: "a" }, { bridge: "b" }] }))!
  t.not(first, second)
  t.deepEqual(await macs({ networks: [{ bridge: "z" }], kernel: "b".repeat(64), memory: 99 }), [first!])
  t.notDeepEqual(await macs({ name: "mail", networks: [{ bridge: "a" }] }), [first!])
})

const wrong: [what: string, more: Partial<Inputs>, base: Base | undefined, property: string, says: RegExp][] =
  [
    [
      "a kernel that is PV as PVH",
      { kinds: ["pv"], type: "pvh" },
      undefined,
      "type",
      /cannot be started as pvh: it is one for pv;/,
    ],
    [
      "a skeleton that wants what is not given",
      {},
      mirage,
      "skeleton",
      /wants BLOCK:data, NETWORK:service, and there is no value for them/,
    ],
    [
      "a variable that the skeleton does not have",
      { ...named, variables: { PORT: 80 } },
      mirage,
      "skeleton",
      /a value for PORT, and the skeleton has no such variable/,
    ],
    [
      "a skeleton that is no configuration",
      { skeleton: "x" },
      { form: "xl", text: "name = 'www\n" },
      "skeleton",
      /line 1/,
    ],
    [
      "a misspelt key in a skeleton",
      { skeleton: "x" },
      { form: "xl", text: "name='www'\ntype='pvh'\nmemroy=1\n" },
      "skeleton",
      /line 3: memroy: .*did you mean memory/,
    ],
    [
      "a misspelt key of xl",
      { config: { memroy: 1 } },
      undefined,
      "configuration",
      /memroy: xl knows no such key/,
    ],
    [
      "a key with a value that xl refuses",
      { config: { on_crash: "explode" } },
      undefined,
      "configuration",
      /on_crash/,
    ],
    [
      "a group's MAC address",
      { networks: [{ bridge: "b", mac: "01:00:5e:00:00:01" }] },
      undefined,
      "networks",
      /01:00:5e:00:00:01 is not the address of one interface/,
    ],
    [
      "an image in the store that the guest may write",
      { disks: [{ path: `/var/lib/pulumi-xen/disks/${digest}`, vdev: "xvdb", access: "rw" }] },
      undefined,
      "disks",
      /nobody may change: use a volume/,
    ],
    ["more memory than maxmem", { memory: 64, maxmem: 32 }, undefined, "maxmem", /maxmem/],
    ["no kernel at all", { kernel: undefined }, undefined, "kernel", /kernel/],
  ]
for (const [what, more, base, property, says] of wrong) {
  test(`${what} is refused in a sentence, at the input that it came from`, async t => {
    const error = await t.throwsAsync(computeConfiguration(given(more), base), {
      instanceOf: ConfigurationError,
    })
    t.regex(error!.message, says)
    t.is(error!.property, property)
  })
}
