import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { fileURLToPath } from "node:url"
import test from "ava"

const root = fileURLToPath(new URL("..", import.meta.url))
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts"], {
  cwd: root,
})
  .toString()
  .trim()
  .split("\n")

/** What each file imports: paths from the root for our own files, names for packages. */
const imports = new Map(
  files.map(file => {
    const text = readFileSync(join(root, file), "utf8")
    const found = [...text.matchAll(/(?:^|\n)\s*(?:import|export)\b[^"'`;]*?\bfrom\s*["']([^"']+)["']/g)]
    const bare = [
      ...text.matchAll(/(?:^|\n)\s*import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/g),
    ]
    const specifiers = [...found.map(match => match[1]!), ...bare.map(match => (match[1] ?? match[2])!)]
    const resolve = (name: string): string =>
      name.startsWith(".") ? normalize(join(dirname(file), name)) : name
    return [file, specifiers.map(resolve)] as const
  }),
)

const inside = (folder: string): string[] =>
  files.filter(
    file => file.startsWith(folder) && !file.includes("/test/") && !file.startsWith("scripts/bench/"),
  )

/** [what holds, the files it is about, what they must not import] */
const rules: [sentence: string, folder: string, forbidden: RegExp][] = [
  [
    "rpc knows nothing of Xen",
    "provider/rpc/",
    /^(provider\/(resources|host|kernel|ssh|ec2)|components|sdk|hosts|xlcfg)/,
  ],
  [
    "ssh knows nothing of Pulumi, hosts or resources",
    "provider/ssh/",
    /^(provider\/(resources|host|kernel|rpc|ec2)|components|sdk|hosts|@pulumi)/,
  ],
  [
    "host knows nothing of Pulumi or resources",
    "provider/host/",
    /^(provider\/(resources|rpc|ec2)|components|sdk|hosts|@pulumi)/,
  ],
  [
    "the provider needs nothing of the program",
    "provider/",
    /^(components|sdk|hosts|index\.ts|scripts|test)/,
  ],
  ["the SDK loads no more of Pulumi than it uses", "sdk/", /^@pulumi\/pulumi$/],
  ["components load no more of Pulumi than the SDK", "components/", /^@pulumi/],
  [
    "the provider never loads Pulumi's runtime, which costs more than its start",
    "provider/",
    /^@pulumi\/pulumi(\/(?!proto\/)|$)/,
  ],
  ["the sdk never imports the provider", "sdk/", /^(provider|components|hosts|scripts|test)/],
  ["components build on the sdk alone", "components/", /^(provider|scripts|test)/],
  [
    "xlcfg imports nothing of ours and no package",
    "xlcfg/src/",
    /^(provider|sdk|components|hosts|scripts|test)|^(?!node:|xlcfg\/)[a-z@]/,
  ],
  ["no script but a benchmark imports the tests", "scripts/", /^test\//],
]
for (const [sentence, folder, forbidden] of rules) {
  test(sentence, t => {
    const wrong = inside(folder).flatMap(file =>
      imports
        .get(file)!
        .filter(name => forbidden.test(name))
        .map(name => `${file} imports ${name}`),
    )
    t.deepEqual(wrong, [])
    t.true(imports.size > 20)
  })
}

/** [package, the only folder that may import it] */
const owners: [name: RegExp, folder: string][] = [
  [/^(node-ssh|ssh2)(\/|$)/, "provider/ssh/"],
  [/^@aws-sdk\//, "provider/ec2/"],
  [/^@grpc\/|^google-protobuf/, "provider/rpc/"],
]
for (const [name, folder] of owners) {
  test(`only ${folder} imports ${name.source}`, t => {
    const shipped = files.filter(file => !/(^|\/)test\//.test(file) && !file.startsWith("scripts/bench/"))
    const wrong = shipped.filter(
      file => !file.startsWith(folder) && imports.get(file)!.some(item => name.test(item)),
    )
    t.deepEqual(wrong, [])
  })
}

test("a file imports no file that does not exist, by its real name", t => {
  const known = new Set(files)
  const wrong = [...imports].flatMap(([file, names]) =>
    names.filter(name => name.endsWith(".ts") && !known.has(name)).map(name => `${file} imports ${name}`),
  )
  t.deepEqual(wrong, [])
})
