import test from "ava"
import {
  CfgSyntaxError,
  check,
  format,
  type Literal,
  migrate,
  parse,
  quote,
  renderSkeleton,
  toInteger,
  toLong,
  ValueError,
} from "../src/index.ts"

for (const [text, line, column, problem] of [
  ["Memory = 1\n", 1, 1, /keys are lower case/],
  ["a = -1\n", 1, 5, /quote it: "-1"/],
  ["a = 1.5\n", 1, 6, /unexpected \./],
  ["a = 0xFF\n", 1, 7, /lower case/],
  ["a = True\n", 1, 5, /True: xl reads no Python; write 1/],
  ["a = (1)\n", 1, 5, /write lists in \[ \]/],
  ["a = 1\r\nb = 2\n", 1, 6, /carriage return/],
  ["\uFEFFa = 1\n", 1, 1, /byte order mark/],
  ["a = 1\n# the end", 2, 1, /newline after the last comment/],
  ['a = "x\n', 1, 5, /without its closing "/],
  ['a = "x\\q"\n', 1, 7, /no escape \\q/],
  ['a = "\\x41"\n', 1, 6, /\\x escapes/],
  ['a = "x\\1"\n', 1, 7, /no escape \\1/],
  ['a = "\0"\n', 1, 6, /NUL/],
  ["a = [,]\n", 1, 6, /expected a string, a number or a list, found ,/],
  ["a = [1 2]\n", 1, 8, /expected , or \] in the list, found 2/],
  ["a = [1\n", 2, 1, /found the end of the file/],
  ["a = xenbr0\n", 1, 5, /found xenbr0 \(a text must be quoted\)/],
  ["a =\n1\n", 1, 4, /found the end of the line/],
  ["a 1\n", 1, 3, /expected = or \+= after the key a/],
  ["= 1\n", 1, 1, /expected a key/],
  ["a = 1 b = 2\n", 1, 7, /expected a newline or ;/],
  ["a = [1]\na += 'x'\n", 2, 6, /cannot add a string/],
  ["a-b = 1\n", 1, 2, /expected|signed/],
] as const) {
  test(`the error in ${JSON.stringify(text)} has its line, its column and a caret under it`, t => {
    const error = t.throws(() => parse(text), { instanceOf: CfgSyntaxError })!
    t.regex(error.problem, problem)
    t.deepEqual([error.position.line, error.position.column], [line, column])
    const [, excerpt, caret] = error.message.split("\n")
    t.is(caret!.length, column + 2)
    t.true(excerpt!.length <= 102)
  })
}

test("an error far into a long line shows the part around it", t => {
  const error = t.throws(() => parse(`a = "${"x".repeat(100_000)}" oops\n`), { instanceOf: CfgSyntaxError })!
  const [, excerpt, caret] = error.message.split("\n") as [string, string, string]
  t.is(excerpt.slice(caret.indexOf("^"), caret.indexOf("^") + 4), "oops")
})

for (const [text, value] of [
  ["a = 'x'; a += \"y\"\n", "xy"],
  ["a = [1]\na += ['x',]\n", ["1", "x"]],
  ["a = 1\na = 2", "2"],
  ["a=[\n# one\n1 # two\n,\n[ ], 'z'\n]\n", ["1", [], "z"]],
  ["a = '\\a\\b\\f\\n\\r\\t\\v\\\\\\'\\\"#,;'\n", "\x07\b\f\n\r\t\v\\'\"#,;"],
  ["a = 'x\\0123y'\n", "xy"],
  ["a.b_1 = 0x1f # é\n", "0x1f"],
  [";;\n\n;a = 'π'", "π"],
  ["a = 1\n%", "1"],
] as const) {
  test(`xl's value for ${JSON.stringify(text)} is ${JSON.stringify(value)}, and the text stays as it is`, t => {
    const document = parse(text)
    t.deepEqual(document.get(text.includes("a.b") ? "a.b_1" : "a"), value as never)
    t.is(document.print(), text)
  })
}

const file = `# the web server
name = 'www'   # its name
memory = 64; vcpus = 1
vif = [ 'bridge=br0',
        # spare
        'bridge=br1' ]
extra = 'a'
extra += ' b'`

for (const [title, edited, changed] of [
  ["sets a value in place", parse(file).set("name", "web"), ["name = 'www' ", 'name = "web" ']],
  [
    "sets a value beside another on its line",
    parse(file).set("memory", 128),
    ["memory = 64;", "memory = 128;"],
  ],
  ["sets a list", parse(file).set("vif", ["bridge=x"]), [/vif = \[.*?\]/s, 'vif = [ "bridge=x" ]']],
  ["sets what += built", parse(file).set("extra", "c"), ["extra += ' b'", 'extra = "c"']],
  ["adds a key at the end", parse(file).set("on_crash", "preserve"), [/$/, '\non_crash = "preserve"\n']],
  ["removes a line with its comment", parse(file).remove("name"), ["name = 'www'   # its name\n", ""]],
  ["removes the first of two on a line", parse(file).remove("memory"), ["memory = 64; ", ""]],
  ["removes the last of two on a line", parse(file).remove("vcpus"), ["; vcpus = 1", ""]],
  ["removes all parts of a key", parse(file).remove("extra"), [/extra = .*$/s, ""]],
  ["removes nothing", parse(file).remove("kernel"), ["", ""]],
  ["renames a key", parse(file).rename("vcpus", "maxvcpus"), ["vcpus", "maxvcpus"]],
] as const) {
  test(`an edit ${title}, and all else stays`, t => {
    t.is(edited.print(), file.replace(changed[0], changed[1]))
  })
}

test("a key can be added behind a character that xl overlooks", t => {
  t.deepEqual([...parse("a = 1\n%").set("b", 2).settings.keys()], ["a", "b"])
})

for (const [value, text] of [
  [[], "[]"],
  [-5, '"-5"'],
  [true, "1"],
  [12n, "12"],
  ["a'b\"c\\d\n", '"a\'b\\"c\\\\d\\n"'],
] as const) {
  test(`${JSON.stringify(String(value))} is written as ${text}`, t => {
    t.is(parse("").set("a", value).print(), `a = ${text}\n`)
  })
}

for (const value of [1.5, Number.NaN, 2 ** 60, "a\0b", "\ud800"]) {
  test(`${JSON.stringify(value)} ${String(value)} cannot be written`, t => {
    t.throws(() => parse("").set("a", value), { instanceOf: ValueError })
  })
}

test("a key that is none cannot be written", t => {
  t.throws(() => parse("").set("Memory", 1), { instanceOf: ValueError, message: /"Memory" is not a key/ })
  t.throws(() => quote("\0"), { instanceOf: ValueError })
})

for (const [text, value] of [
  ["16", 16n],
  ["0x10", 16n],
  ["020", 16n],
  [" -3", -3n],
  ["0", 0n],
  ["00", 0n],
  ["9223372036854775807", 2n ** 63n - 1n],
  ["9223372036854775808", undefined],
  ["08", undefined],
  ["0x", undefined],
  ["1 ", undefined],
  ["", undefined],
  ["12ab", undefined],
] as const) {
  test(`the number in ${JSON.stringify(text)} is ${value}`, t => t.is(toLong(text), value))
}

test("a number that JavaScript cannot hold exactly is none for it", t => {
  t.is(toInteger("9007199254740993"), undefined)
  t.is(toInteger("0x20"), 32)
})

for (const [name, text] of [
  ["[", "a=".padEnd(1 << 20, "[")],
  ["nested lists", `a=${"[1,".repeat(1 << 18)}`],
  ["one long string", `a="${"x".repeat(1 << 20)}`],
  ["backslashes", `a="${"\\".repeat(1 << 20)}`],
  ["quotes", "'".repeat(1 << 20)],
  ["upper case", "A".repeat(1 << 20)],
] as const) {
  test(`1 MiB of ${name} is refused with an error of a few lines`, t => {
    const error = t.throws(() => parse(text), { instanceOf: CfgSyntaxError })!
    t.true(error.message.length < 1000)
  })
}

test("100,000 assignments of one key, each adding to it, are read", t => {
  t.is((parse("a += [1]\n".repeat(100_000)).get("a") as string[]).length, 100_000)
  t.is(parse("a = 1\n".repeat(100_000)).settings.get("a")?.overridden.length, 99_999)
})

const deep = `vif=${"[".repeat(4996)}'bridge=x'${"]".repeat(4996)}\n`
const wide = `vif = [${"'bridge=x',".repeat(200_000)}]\n`
const long = `name = "${"x\\n".repeat(1 << 20)}"\n`

for (const [name, text] of [
  ["lists as deep as they go", deep],
  ["200,000 interfaces", wide],
  ["a string of 3 MiB", long],
] as const) {
  test(`${name}: read, checked, laid out, migrated, edited and filled`, t => {
    const document = parse(text)
    t.is(document.print(), text)
    t.true(check(document).length > 0)
    t.deepEqual([...format(document).settings.keys()], [...document.settings.keys()])
    t.is(migrate(document).document.print(), text)
    t.is(document.set("memory", 1).get("memory"), "1")
    t.is(renderSkeleton(`${text}memory = @MEMORY@\n`, { MEMORY: 1 }), `${text}memory = 1\n`)
  })
}

test("a value nested without end cannot be written", t => {
  const value = Array.from({ length: 10_000 }).reduce<Literal>(inner => [inner], "x")
  t.throws(() => parse("").set("a", value), { instanceOf: ValueError, message: /deeper than any key/ })
})
