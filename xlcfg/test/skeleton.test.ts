import { readFileSync } from "node:fs"
import test from "ava"
import fc from "fast-check"
import { renderTemplate, templateVariables } from "../handlebars/index.ts"
import {
  builtinSkeleton,
  CfgSyntaxError,
  check,
  deviceAgreement,
  devicesOfManifest,
  devicesOfSkeleton,
  type Literal,
  parse,
  parseDisk,
  parseVif,
  renderSkeleton,
  SkeletonError,
  skeletonVariables,
  ValueError,
  XlcfgError,
} from "../src/index.ts"

const fixture = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8")
const mirage = fixture("mirage.xl.in")
const values = {
  NAME: "www",
  KERNEL: "/k",
  MEMORY: 64,
  "BLOCK:tls": "/d",
  "NETWORK:service": "bridge=xenbr0,mac=00:16:3e:00:00:01",
}

test("a MirageOS skeleton is filled, its comments and its layout stay", t => {
  t.deepEqual(skeletonVariables(mirage), ["NAME", "KERNEL", "MEMORY", "BLOCK:tls", "NETWORK:service"])
  const text = renderSkeleton(mirage, values)
  t.is(
    text,
    mirage
      .replace("'@NAME@'", "'www'")
      .replace("@KERNEL@", "/k")
      .replace("@MEMORY@", "64")
      .replace("@BLOCK:tls@", "/d")
      .replace("@NETWORK:service@", values["NETWORK:service"]),
  )
  t.deepEqual(check(text), [])
})

for (const [title, given, message, variables] of [
  ["a missing value", { ...values, NAME: undefined }, /wants NAME, and there is no value for it/, ["NAME"]],
  [
    "a value too many",
    { ...values, COLOUR: "red" },
    /value for COLOUR, and the skeleton has no such variable/,
    ["COLOUR"],
  ],
  ["a list within a string", { ...values, NAME: ["a"] }, /@NAME@ cannot be written: a list/, ["NAME"]],
  ["a NUL", { ...values, NAME: "a\0" }, /@NAME@ cannot be written: .*NUL/, ["NAME"]],
  [
    "a target that its specification would shorten",
    { ...values, "BLOCK:tls": "/d," },
    /would end the option of disk/,
    ["BLOCK:tls"],
  ],
] as const) {
  test(`a skeleton with ${title} is refused, and the error names the variable`, t => {
    const clean = Object.fromEntries(
      Object.entries(given).filter(([, value]) => value !== undefined),
    ) as Record<string, Literal>
    const error = t.throws(() => renderSkeleton(mirage, clean), { instanceOf: SkeletonError, message })!
    t.deepEqual(error.variables, variables)
  })
}

for (const [skeleton, value, result] of [
  ["a = @X@\n", "text", 'a = "text"\n'],
  ["a = @X@\n", "64", "a = 64\n"],
  ["a = @X@\n", -1, 'a = "-1"\n'],
  ["a = @X@\n", ["x", 1], 'a = [ "x", 1 ]\n'],
  ["a = [ @X@, 1 ]\n", "x", 'a = [ "x", 1 ]\n'],
  ["a = 'it: @X@'\n", "it's", "a = 'it: it\\'s'\n"],
  ["a = 'it: @X@'\n", true, "a = 'it: 1'\n"],
  ['a = "@X@"\n', "a'b\"c\\\n#,]", 'a = "a\'b\\"c\\\\\\n#,]"\n'],
  ["vif = ['bridge=@X@']\n", "xenbr0", "vif = ['bridge=xenbr0']\n"],
  ["disk = ['vdev=xvda,target=@X@']\n", "/a,b", "disk = ['vdev=xvda,target=/a,b']\n"],
  ["a = 'me@x.org'\nb = @X@\n", 1, "a = 'me@x.org'\nb = 1\n"],
] as const) {
  test(`${JSON.stringify(value)} in ${JSON.stringify(skeleton)} is quoted as its place needs`, t => {
    t.is(renderSkeleton(skeleton, { X: value }), result)
  })
}

for (const [skeleton, value] of [
  ["vif = ['bridge=@X@']\n", "a,mac=00:16:3e:00:00:01"],
  ["vif = ['bridge=@X@,mac=00:16:3e:00:00:01']\n", "a,ip=1"],
  ["disk = ['@X@,raw,xvda']\n", "/a,qcow2"],
  ["disk = ['vdev=xvda,script=@X@,target=/a']\n", "x,access=ro"],
] as const) {
  test(`${JSON.stringify(value)} cannot add an option in ${JSON.stringify(skeleton)}`, t => {
    t.throws(() => renderSkeleton(skeleton, { X: value }), {
      instanceOf: SkeletonError,
      message: /would end the option/,
    })
  })
}

for (const skeleton of [
  "@X@ = 1\n",
  "a@X@ = 1\n",
  "a = 1@X@\n",
  "a = @X@2\n",
  "a = b@X@\n",
  "@X@\n",
  "a = 'x' @X@\n",
  "a = @X@ @X@\n",
]) {
  test(`a variable cannot stand where no value can: ${JSON.stringify(skeleton)}`, t => {
    const error = t.throws(() => renderSkeleton(skeleton, { X: 1 }), { instanceOf: XlcfgError })!
    t.true(error instanceof SkeletonError || error instanceof CfgSyntaxError)
  })
}

const hostile = fc.string({
  unit: fc.constantFrom(
    "'",
    '"',
    "\\",
    "#",
    ",",
    "\n",
    "]",
    "[",
    "=",
    ";",
    "@",
    "X",
    "}",
    "{",
    "é",
    " ",
    "a",
    "\t",
    "\r",
  ),
})

test("no value breaks out of a skeleton: what is put in is what xl reads", t => {
  const skeleton = "# @A@\na = '@A@'\nb = \"x@B@y@A@\"\nc = @C@\nd = [ '@A@', \"@B@\", @C@ ] # @B@\n"
  fc.assert(
    fc.property(hostile, hostile, hostile, (A, B, C) => {
      const document = parse(renderSkeleton(skeleton, { A, B, C }))
      t.deepEqual(
        [...document.settings].map(([key, { value }]) => [key, value]),
        [
          ["a", A],
          ["b", `x${B}y${A}`],
          ["c", C],
          ["d", [A, B, C]],
        ],
      )
    }),
    { numRuns: 5000 },
  )
})

test("no value adds an option to a device, whatever it holds", t => {
  const skeleton =
    "disk = ['format=raw,vdev=xvda,access=ro,target=@TARGET@']\nvif = ['bridge=@BRIDGE@,mac=00:16:3e:00:00:01']\n"
  fc.assert(
    fc.property(hostile, hostile, (TARGET, BRIDGE) => {
      let document: ReturnType<typeof parse>
      try {
        document = parse(renderSkeleton(skeleton, { TARGET, BRIDGE }))
      } catch (error) {
        return error instanceof SkeletonError && /[,\n]/.test(TARGET + BRIDGE)
      }
      t.deepEqual(parseDisk((document.get("disk") as string[])[0]!), {
        format: "raw",
        vdev: "xvda",
        access: "ro",
        target: TARGET,
      })
      t.deepEqual(parseVif((document.get("vif") as string[])[0]!), {
        bridge: BRIDGE,
        mac: "00:16:3e:00:00:01",
      })
      return true
    }),
    { numRuns: 5000 },
  )
})

test("any text as a skeleton is filled or refused with the library's own errors", t => {
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.constantFrom("'", '"', "\\", "#", "\n", "@", "X", "@X@", "a", "=", " ", "[", "]", "1"),
      }),
      skeleton => {
        try {
          const filled = renderSkeleton(skeleton, { X: "'\"" })
          t.notThrows(() => parse(filled))
        } catch (error) {
          t.true(error instanceof XlcfgError, String(error))
        }
      },
    ),
    { numRuns: 5000 },
  )
})

test("the built-in skeleton is for a kernel that brings none", t => {
  const text = renderSkeleton(builtinSkeleton, {
    NAME: "a",
    KERNEL: "/k",
    MEMORY: 32,
    DISKS: [],
    VIFS: ["bridge=xenbr0"],
  })
  t.deepEqual(check(text), [])
})

const web = fixture("web.xl.hbs")
const data = {
  name: "w\"w'w",
  kernel: "/k'",
  memory: 64,
  extra: "a\\b #",
  networks: [
    { bridge: "br0", mac: "00:16:3e:00:00:01" },
    { bridge: "br1", mac: "00:16:3e:00:00:02" },
  ],
}

test("a Handlebars skeleton is filled with the same quoting, in blocks and loops too", t => {
  t.deepEqual(templateVariables(web), ["name", "kernel", "memory", "extra", "networks"])
  const document = parse(renderTemplate(web, data))
  t.deepEqual(
    [...document.settings].map(([key, { value }]) => [key, value]),
    [
      ["name", data.name],
      ["type", "pvh"],
      ["kernel", data.kernel],
      ["memory", "64"],
      ["extra", `--hello ${data.extra} --name=${data.name}`],
      ["vif", ["bridge=br0,mac=00:16:3e:00:00:01", "bridge=br1,mac=00:16:3e:00:00:02"]],
    ],
  )
  t.is(renderTemplate(web, { ...data, extra: "" }).includes("extra"), false)
})

test("no value breaks out of a Handlebars skeleton", t => {
  fc.assert(
    fc.property(hostile, hostile, (a, b) => {
      const text = renderTemplate(
        "# {{a}}\na = '{{a}}'\nb = [ {{#each list}}\"{{this}}\", {{/each}}{{b}} ]\n",
        { a, b, list: [a, b] },
      )
      const document = parse(text)
      t.deepEqual([document.get("a"), document.get("b")], [a, [a, b, b]], text)
    }),
    { numRuns: 2000 },
  )
})

for (const [title, template, given, message] of [
  ["a missing variable", "a = {{x}}\n", {}, /wants x/],
  [
    "a missing variable within a loop",
    "{{#each l}}a = {{y}}\n{{/each}}",
    { l: [{ x: 1 }] },
    /"y" not defined|no value for \{\{y\}\}/,
  ],
  ["a value too many", "a = {{x}}\n", { x: 1, y: 2 }, /value for y/],
  ["raw output", "a = {{{x}}}\n", { x: 1 }, /raw output/],
  ["raw output by &", "a = {{&x}}\n", { x: 1 }, /raw output/],
  ["a partial", "{{> other}}\n", {}, /no partials/],
  ["an open block", "{{#if x}}a = 1\n", { x: 1 }, /cannot be filled/],
  ["a comma in an option", "vif = ['bridge={{x}}']\n", { x: "a,b" }, /would end the option/],
  ["an object as a value", "a = {{x}}\n", { x: { y: 1 } }, /cannot be written|object/],
] as const) {
  test(`a Handlebars skeleton with ${title} is refused with the reason`, t => {
    t.throws(() => renderTemplate(template, given as never), { instanceOf: XlcfgError, message })
  })
}

test("the devices that a kernel expects come from its skeleton or its manifest", t => {
  t.deepEqual(devicesOfSkeleton(mirage), [
    { kind: "block", name: "tls", vdev: "xvdb" },
    { kind: "network", name: "service" },
  ])
  const devices = [
    { name: "service", type: "NET_BASIC" },
    { name: "data", type: "BLOCK_BASIC" },
  ]
  t.deepEqual(devicesOfManifest({ type: "solo5.manifest", version: 1, devices }), [
    { kind: "network", name: "service" },
    { kind: "block", name: "data" },
  ])
  for (const manifest of [null, {}, { type: "solo5.manifest", devices: [{ name: "x", type: "GPU" }] }])
    t.throws(() => devicesOfManifest(manifest), { instanceOf: ValueError })
})

const both = devicesOfSkeleton(mirage)
for (const [cfg, missing] of [
  ["disk = ['/d,,xvdb']\nvif = ['bridge=x']\n", []],
  ["disk = ['/d,,xvda']\nvif = ['bridge=x']\n", [/block device tls as xvdb; the configuration has xvda/]],
  ["vif = ['bridge=x']\n", [/block device tls as xvdb; the configuration has none/]],
  ["disk = ['/d,,xvdb']\n", [/network device service; the configuration has none/]],
  ["", [/tls/, /service/]],
] as const) {
  test(`a kernel with a disk and an interface and ${JSON.stringify(cfg)} agree, but for ${missing.length} devices`, t => {
    const findings = deviceAgreement(both, parse(cfg))
    t.is(findings.length, missing.length)
    findings.forEach((finding, index) => {
      t.is(finding.code, "missing-device")
      t.regex(finding.message, missing[index]!)
    })
  })
}

test("devices without a name of the guest's are counted, after those that have one", t => {
  const expected = [
    { kind: "block", name: "a" },
    { kind: "block", name: "b", vdev: "xvdb" },
  ] as const
  t.deepEqual(deviceAgreement(expected, parse("disk = ['/d,,xvdb', '/e,,xvda']\n")), [])
  t.is(deviceAgreement(expected, parse("disk = ['/d,,xvdb']\n")).length, 1)
})
