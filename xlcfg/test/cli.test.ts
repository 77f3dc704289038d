import { spawnSync } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test, { type ExecutionContext } from "ava"

const bin = join(import.meta.dirname, "../bin/xlcfg")

interface Run {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function xlcfg(folder: string, words: readonly string[], input: string | Buffer = ""): Run {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...words], {
    cwd: folder,
    input,
    encoding: "latin1",
  })
  return {
    code: status,
    out: Buffer.from(stdout, "latin1").toString(),
    err: Buffer.from(stderr, "latin1").toString(),
  }
}

function folderWith(t: ExecutionContext, files: Readonly<Record<string, string | Buffer>>): string {
  const folder = mkdtempSync(join(tmpdir(), "xlcfg-cli-"))
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
  return folder
}

const files = {
  "a.xl": 'name = "a"\nkernel = "/k"\nmemory = 64\n',
  "b.xl": "name='b'\nkernel = '/k'\nbuilder='linux'\nmemory = 64\n",
  "c.xl": 'name = "c"\nkernel = "/k"\nmemory = 64\nvif = [ "" ]\n',
  "bad.xl": "name = \n",
  "s.xl.in": "name = '@NAME@'\n",
  "s.xl.hbs": "name = '{{NAME}}'\n",
  "values.json": '{"NAME": "it\'s"}',
  "list.json": "[1]",
}

for (const { words, input, code, out = /^$/, err = /^$/ } of [
  { words: ["check", "a.xl"], code: 0 },
  { words: ["check", "c.xl"], code: 0, out: /^c\.xl:4:9: note: .*\[default-bridge\]\n$/ },
  { words: ["check", "b.xl"], code: 1, out: /^b\.xl:3:9: error: builder: .*\n$/ },
  { words: ["check"], input: "memroy = 1\n", code: 1, out: /^-:1:1: error: name/ },
  { words: ["check", "-"], input: files["a.xl"], code: 0 },
  { words: ["check", "bad.xl"], code: 1, out: /bad\.xl:1:8: error: expected a string/ },
  { words: ["check", "--files", "a.xl"], code: 1, out: /\/k does not exist/ },
  {
    words: ["check", "--memory", "100", "a.xl", "c.xl"],
    code: 1,
    out: /want 128 MiB together, and the host has 100 MiB/,
  },
  { words: ["check", "--json", "a.xl"], code: 0, out: /^\[\]\n$/ },
  { words: ["check", "--target", "4.16", "a.xl"], code: 2, err: /known are 4\.17, 4\.18, 4\.19, 4\.20/ },
  { words: ["check", "--memory", "x", "a.xl"], code: 2, err: /not a number of MiB/ },
  { words: ["check", "none.xl"], code: 2, err: /^xlcfg: cannot read none\.xl: there is no such file\n$/ },
  { words: ["check", "."], code: 2, err: /cannot read \.: it is a directory/ },
  { words: ["fmt", "b.xl"], code: 0, out: /^name = "b"\nkernel = "\/k"\nbuilder = "linux"\n/ },
  { words: ["fmt", "--check", "a.xl", "b.xl"], code: 1, out: /^b\.xl\n$/ },
  { words: ["fmt", "--check", "a.xl"], code: 0 },
  { words: ["fmt", "--write"], input: "a=1\n", code: 2, err: /--write needs a file/ },
  { words: ["fmt", "bad.xl"], code: 2, err: /line 1, column 8.*\n {2}name = \n {9}\^/s },
  { words: ["get", "memory", "a.xl"], code: 0, out: /^64\n$/ },
  { words: ["get", "vif"], input: "vif = ['x', 'y']\n", code: 0, out: /^x\ny\n$/ },
  { words: ["get", "vif", "--json"], input: "vif = ['x', ['y']]\n", code: 0, out: /^\["x",\["y"\]\]\n$/ },
  { words: ["get", "vcpus", "a.xl"], code: 1 },
  {
    words: ["get", "a", "--json"],
    input: `a=${"[".repeat(4996)}${"]".repeat(4996)}`,
    code: 2,
    err: /too deeply/,
  },
  { words: ["get"], code: 2, err: /needs a key/ },
  { words: ["set", "memory", "128", "a.xl"], code: 0, out: /\nmemory = 128\n$/ },
  { words: ["set", "name", "it's", "a.xl"], code: 0, out: /^name = "it's"\n/ },
  { words: ["set", "vif", "['x', 2]", "a.xl"], code: 0, out: /\nvif = \[ "x", "2" \]\n$/ },
  { words: ["set", "rtc_timeoffset", "-5", "a.xl"], code: 2, err: /rtc_timeoffset|Unknown option|ambiguous/ },
  { words: ["set", "--", "rtc_timeoffset", "-5", "a.xl"], code: 0, out: /rtc_timeoffset = "-5"\n$/ },
  { words: ["set", "memory"], code: 2, err: /needs a key and a value/ },
  { words: ["set", "Memory", "1", "a.xl"], code: 2, err: /"Memory" is not a key/ },
  {
    words: ["migrate", "b.xl"],
    code: 0,
    out: /\ntype="pv"\n/,
    err: /^b\.xl: builder: builder="linux" is type="pv" today\n$/,
  },
  { words: ["migrate", "--json", "a.xl"], code: 0, out: /"changes":\[\]/ },
  { words: ["render", "s.xl.in", "NAME=it's"], code: 0, out: /^name = 'it\\'s'\n$/ },
  { words: ["render", "s.xl.in", "--values", "values.json"], code: 0, out: /^name = 'it\\'s'\n$/ },
  { words: ["render", "s.xl.hbs", "NAME=it's"], code: 0, out: /^name = 'it\\'s'\n$/ },
  { words: ["render", "s.xl.in"], code: 2, err: /wants NAME/ },
  { words: ["render", "s.xl.in", "NAME=a", "X=b"], code: 2, err: /value for X/ },
  { words: ["render", "s.xl.in", "NAME"], code: 2, err: /NAME is not NAME=VALUE/ },
  { words: ["render", "s.xl.in", "--values", "list.json"], code: 2, err: /no JSON object/ },
  { words: ["render"], code: 2, err: /needs a skeleton/ },
  { words: ["explain", "smbios"], code: 0, out: /versions: 4\.18 to 4\.20\n {2}guests: {3}hvm/ },
  { words: ["explain", "builder"], code: 0, out: /instead: {2}use type=/ },
  { words: ["explain", "memroy"], code: 2, err: /did you mean memory\?/ },
  { words: ["explain", "--json", "memory"], code: 0, out: /"type": "number of MiB, from 1"/ },
  { words: ["help"], code: 0, out: /xlcfg check .*Exit codes: 0 done/s },
  { words: [], code: 2, out: /xlcfg check/ },
  { words: ["frobnicate"], code: 2, err: /no command frobnicate/ },
  { words: ["check", "--colour"], code: 2, err: /Unknown option '--colour'.*usage: xlcfg check/s },
] as { words: string[]; input?: string; code: number; out?: RegExp; err?: RegExp }[]) {
  test(`xlcfg ${words.join(" ")}${input === undefined ? "" : " < …"} exits with ${code}`, t => {
    const run = xlcfg(folderWith(t, files), words, input)
    t.is(run.code, code, run.err)
    t.regex(run.out, out)
    t.regex(run.err, err)
  })
}

test("--write replaces just the files that change, and leaves nothing beside them", t => {
  const folder = folderWith(t, files)
  t.is(xlcfg(folder, ["migrate", "--write", "a.xl", "b.xl"]).code, 0)
  t.is(readFileSync(join(folder, "a.xl"), "utf8"), files["a.xl"])
  t.is(readFileSync(join(folder, "b.xl"), "utf8"), files["b.xl"].replace("builder='linux'", 'type="pv"'))
  t.is(xlcfg(folder, ["set", "--write", "memory", "32", "a.xl"]).code, 0)
  t.is(xlcfg(folder, ["get", "memory", "a.xl"]).out, "32\n")
  t.is(
    spawnSync("ls", [folder], { encoding: "utf8" }).stdout.split("\n").length,
    Object.keys(files).length + 1,
  )
})

test("a file that is no UTF-8 is checked, and written back byte for byte", t => {
  const bytes = Buffer.from("# caf\xe9\nname = 'a\xff'\nmemory = 64\n", "latin1")
  const folder = folderWith(t, { "l.xl": bytes })
  t.is(xlcfg(folder, ["set", "--write", "memory", "65", "l.xl"]).code, 0)
  t.deepEqual(
    readFileSync(join(folder, "l.xl")),
    Buffer.from(bytes.toString("latin1").replace("64", "65"), "latin1"),
  )
})

test("where the system's Node is old, the one beside the project is used, and without one a sentence says what is missing", t => {
  const folder = folderWith(t, files)
  // An old Node is played by this one, told to be another.
  const preload = join(folder, "old.cjs")
  writeFileSync(
    preload,
    "if (!process.env.XLCFG_NODE) Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.11.0' } })\n",
  )
  const old = (cwd: string) =>
    spawnSync(
      process.execPath,
      ["--require", preload, join(cwd, "bin/xlcfg"), "get", "memory", join(folder, "a.xl")],
      { cwd, encoding: "utf8" },
    )
  const alone = join(folder, "alone")
  mkdirSync(join(alone, "bin"), { recursive: true })
  writeFileSync(join(alone, "bin/xlcfg"), readFileSync(bin))
  const none = old(alone)
  t.is(none.status, 2)
  t.is(
    none.stderr,
    "xlcfg: needs Node 22.18 or later, and this is 20.11.0; install it, or npm install node@24\n",
  )

  mkdirSync(join(alone, "node_modules/.bin"), { recursive: true })
  symlinkSync(join(import.meta.dirname, "../src"), join(alone, "src"))
  writeFileSync(join(alone, "node_modules/.bin/node"), `#!/bin/sh\nexec ${process.execPath} "$@"\n`)
  chmodSync(join(alone, "node_modules/.bin/node"), 0o755)
  writeFileSync(join(alone, "package.json"), '{"type": "module"}')
  const found = old(alone)
  t.is(found.stderr, "")
  t.is(found.stdout, "64\n")
})
