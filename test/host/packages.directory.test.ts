import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test from "ava"
import fc from "fast-check"
import { planPackages, planPackagesRemoval } from "../../provider/host/packages/plan.ts"
import { refusePackages } from "../../provider/host/packages/refusals.ts"
import { readDeb } from "../../provider/host/packages/repository/deb.ts"
import {
  openDirectory,
  PackageDirectoryError,
  readContents,
} from "../../provider/host/packages/repository/directory.ts"
import {
  PackageFormatError,
  type ReadPart,
  withParts,
} from "../../provider/host/packages/repository/packageFile.ts"
import { readRpm } from "../../provider/host/packages/repository/rpm.ts"
import type { PackagesWanted } from "../../provider/host/packages/wanted.ts"
import { hostFacts } from "./helpers/facts.ts"

const root = mkdtempSync(join(tmpdir(), "package-directory-"))
test.after.always(() => rmSync(root, { recursive: true }))

const folder = (name: string): string => {
  mkdirSync(join(root, name), { recursive: true })
  return join(root, name)
}
const digestOf = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex")

/** Builds NAME_VERSION_all.deb with the control archive packed in some way. */
function makeDeb(directory: string, name: string, version: string, packing: string): string {
  const tree = folder(`tree-${name}-${version}-${packing}`)
  const control = `Package: ${name}\nVersion: ${version}\nArchitecture: all\nMaintainer: Anna <anna@example.org>\nDepends: base\nDescription: a test\n of more than one line\n`
  mkdirSync(join(tree, "DEBIAN"), { recursive: true, mode: 0o755 })
  writeFileSync(join(tree, "DEBIAN/control"), control)
  const file = join(directory, `${name}_${version}_all.deb`)
  execFileSync(
    "dpkg-deb",
    ["--uniform-compression", `-Z${packing}`, "--root-owner-group", "--build", tree, file],
    {
      stdio: "pipe",
    },
  )
  return file
}

/** Builds NAME-VERSION-1.noarch.rpm with relations of every kind. */
function makeRpm(directory: string, name: string, version: string, epoch = 0): string {
  const spec = join(folder("specs"), `${name}-${version}.spec`)
  const text = `Name: ${name}
Version: ${version}
Release: 1
${epoch > 0 ? `Epoch: ${epoch}\n` : ""}Summary: a <test> & "more"
License: none
BuildArch: noarch
Provides: ${name}-api = 3:4.5-6, anything
Requires: base >= 1.2, other < 9, /usr/bin/env
Requires(pre): shadow
Conflicts: rival <= 2
Obsoletes: ${name}-old < 1:7
%description
test
%install
mkdir -p %{buildroot}/etc %{buildroot}/usr/bin %{buildroot}/usr/share/${name}
for file in /etc/${name}.conf /usr/bin/${name} /usr/share/${name}/data; do echo test > %{buildroot}$file; done
%files
/etc/${name}.conf
/usr/bin/${name}
/usr/share/${name}
`
  writeFileSync(spec, text)
  execFileSync(
    "rpmbuild",
    [
      ...["--quiet", "--nodeps", "-bb", spec],
      ...["--define", `_topdir ${folder("rpmbuild")}`, "--define", `_rpmdir ${directory}`],
      ...["--define", "_build_name_fmt %{NAME}-%{VERSION}.rpm"],
    ],
    { stdio: "pipe" },
  )
  return join(directory, `${name}-${version}.rpm`)
}

for (const packing of ["none", "gzip", "xz", "zstd"]) {
  test(`a Debian package says of itself what dpkg-deb says of it, however it is packed: ${packing}`, async t => {
    const file = makeDeb(folder(`deb-${packing}`), "px-a", "1.0~rc1+b2", packing)
    const says = execFileSync("dpkg-deb", ["--field", file], { encoding: "utf8" })
    t.is(await withParts(file, readDeb), says.trimEnd())
  })
}

test("an RPM says of itself what rpm says of it", async t => {
  const file = makeRpm(folder("rpm"), "px-a", "2.0", 3)
  const found = await withParts(file, readRpm)
  const format = "%{NAME} %{EPOCH} %{VERSION} %{RELEASE} %{ARCH} %{SOURCERPM} %{BUILDTIME} %{LONGSIZE}"
  const says = execFileSync("rpm", ["-qp", "--qf", format, file], { encoding: "utf8", stdio: "pipe" })
  const { name, epoch, version, release, architecture, source, buildTime, installedSize } = found
  t.is([name, epoch, version, release, architecture, source, buildTime, installedSize].join(" "), says)
  const list = (option: string) =>
    execFileSync("rpm", ["-qp", option, file], { encoding: "utf8", stdio: "pipe" }).trim().split("\n")
  t.deepEqual([...found.files], list("-l"))
})

test("the index of RPMs says of each what createrepo_c says of it, and a newer package tool reads it", async t => {
  const directory = folder("index")
  makeRpm(directory, "px-a", "1.0")
  makeRpm(directory, "px-b", "2.0", 5)
  const { opened } = await openDirectory(directory, await readContents(directory))
  const { index } = opened!.rpm
  const primary = Object.entries(index).find(([path]) => path.endsWith("primary.xml"))![1]
  execFileSync("createrepo_c", [
    "--quiet",
    "--compatibility",
    "--general-compress-type=gz",
    "--no-database",
    directory,
  ])
  const theirs = readdirSync(join(directory, "repodata")).find(name => name.includes("primary.xml"))!
  const expected = execFileSync("zcat", [join(directory, "repodata", theirs)], { encoding: "utf8" })
  const told = (text: string) =>
    text
      .split("<package type=")
      .slice(1)
      .map(one =>
        [
          ...one.matchAll(
            /<(name|arch|version|checksum|location|rpm:header-range|rpm:entry|file|rpm:license|rpm:sourcerpm)\b[^>]*?(\/>|>[^<]*)/g,
          ),
          ...one.matchAll(/<size package="(\d+)"/g),
        ]
          .map(([found]) => found)
          .sort(),
      )
      .sort()
  t.deepEqual(told(primary), told(expected))
  t.true(primary.includes("<summary>a &lt;test&gt; &amp; "))
})

test("an index holds the digest of every package, and the same packages give the same bytes", async t => {
  const directory = folder("same")
  makeDeb(directory, "px-a", "1.0", "xz")
  makeDeb(directory, "px-b", "1.0", "xz")
  makeRpm(directory, "px-a", "1.0")
  const contents = await readContents(directory)
  t.deepEqual(Object.keys(contents), ["px-a-1.0.rpm", "px-a_1.0_all.deb", "px-b_1.0_all.deb"])
  for (const [file, sha256] of Object.entries(contents))
    t.is(sha256, digestOf(readFileSync(join(directory, file))))
  const one = await openDirectory(directory, contents)
  const other = await openDirectory(directory, Object.fromEntries(Object.entries(contents).reverse()))
  t.deepEqual(one.opened, other.opened)
  t.deepEqual(one.opened!.deb.versions, { "px-a": "1.0", "px-b": "1.0" })
  t.deepEqual(one.opened!.rpm.versions, { "px-a": "1.0-1" })
  const { Packages, Release } = one.opened!.deb.index
  t.true(Packages!.includes(contents["px-b_1.0_all.deb"]!))
  t.true(Release!.includes(digestOf(Packages!)))
})

test("a package that a directory holds in several versions is left to the package tool", async t => {
  const directory = folder("several")
  makeDeb(directory, "px-a", "1.0", "gzip")
  makeDeb(directory, "px-a", "2.0", "gzip")
  makeDeb(directory, "px-b", "2.0", "gzip")
  const { opened } = await openDirectory(directory, await readContents(directory))
  t.deepEqual(opened!.deb.versions, { "px-b": "2.0" })
  t.deepEqual(opened!.deb.names, ["px-a", "px-b"])
})

test("a package that is cut off or damaged anywhere is an error of its format, whatever is read", async t => {
  const files = [
    [makeDeb(folder("damaged"), "px-a", "1.0", "gzip"), readDeb],
    [makeRpm(folder("damaged"), "px-a", "1.0"), readRpm],
  ] as const
  for (const [file, read] of files) {
    const whole = readFileSync(file)
    const attempt = async (bytes: Buffer) => {
      const part: ReadPart = async (offset, length) => {
        if (offset + length > bytes.length) throw new PackageFormatError("it is cut off")
        return Buffer.from(bytes.subarray(offset, offset + length))
      }
      try {
        await read(part, bytes.length)
      } catch (error) {
        if (!(error instanceof PackageFormatError)) throw error
      }
    }
    const inHead = fc.nat(Math.min(whole.length, 6000) - 1)
    await fc.assert(
      fc.asyncProperty(inHead, async length => attempt(Buffer.from(whole.subarray(0, length)))),
      {
        numRuns: 200,
      },
    )
    await fc.assert(
      fc.asyncProperty(inHead, fc.uint8Array({ minLength: 1, maxLength: 8 }), async (at, noise) => {
        const bytes = Buffer.from(whole)
        bytes.set(noise.subarray(0, whole.length - at), at)
        await attempt(bytes)
      }),
      { numRuns: 500 },
    )
  }
  t.is(files.length, 2)
})

const BAD: [what: string, make: () => string, says: RegExp][] = [
  ["one that is not there", () => join(root, "nowhere"), /nowhere cannot be read: there is none; check/],
  ["a file", () => makeDeb(folder("file"), "px-a", "1.0", "gzip"), /cannot be read: it is a file/],
  ["an empty one", () => folder("empty"), /holds no package; put files/],
  [
    "one with a file name that is an option",
    () => {
      writeFileSync(join(folder("odd"), "-x.deb"), "")
      return folder("odd")
    },
    /holds "-x.deb", whose name .* rename it/,
  ],
]
for (const [what, make, says] of BAD) {
  test(`a directory that cannot be a repository is refused in a sentence: ${what}`, async t => {
    const error = await t.throwsAsync(readContents(make()), { instanceOf: PackageDirectoryError })
    t.regex(error!.message, says)
  })
}

test("a file that is no package, and one that was changed since, are named", async t => {
  const directory = folder("text")
  writeFileSync(join(directory, "px-a.rpm"), "hello")
  const opening = async () => openDirectory(directory, await readContents(directory))
  await t.throwsAsync(opening, { message: /px-a.rpm cannot be used: it is no RPM.*; build or download/ })
  const contents = await readContents(directory)
  writeFileSync(join(directory, "px-a.rpm"), "other")
  await t.throwsAsync(openDirectory(directory, contents), {
    message: /px-a.rpm is not what it was when the program was checked/,
  })
})

const directory = {
  path: "/builds",
  contents: { "a.deb": "a".repeat(64), "b.deb": "b".repeat(64), "c.rpm": "c".repeat(64) },
  opened: {
    deb: { index: { Packages: "packages", Release: "release" }, names: ["a", "b"], versions: { a: "2.0" } },
    rpm: { index: {}, names: ["c"], versions: {} },
  },
}
const wanted: PackagesWanted = {
  id: "s",
  packages: [{ name: "a" }],
  repositories: [{ name: "own", directory }],
}
const base = "/var/lib/pulumi-xen/repositories/own"
const onHost = {
  [`${base}/SHA256SUMS`]: `${"a".repeat(64)}  a.deb\n${"b".repeat(64)}  b.deb\n`,
  [`${base}/a.deb`]: "",
  [`${base}/b.deb`]: "",
}
const SENDING: [what: string, files: Record<string, string>, sent: string[], removed: string[]][] = [
  ["nothing is there", {}, ["a.deb", "b.deb"], []],
  [
    "one is there",
    { [`${base}/SHA256SUMS`]: `${"a".repeat(64)}  a.deb\n`, [`${base}/a.deb`]: "" },
    ["b.deb"],
    [],
  ],
  ["one has gone", { ...onHost, [`${base}/b.deb`]: undefined as never }, ["b.deb"], []],
  [
    "one is another now",
    { ...onHost, [`${base}/SHA256SUMS`]: `${"a".repeat(64)}  a.deb\n${"d".repeat(64)}  b.deb\n` },
    ["b.deb"],
    [],
  ],
  ["a run was cut off before the end", { [`${base}/a.deb`]: "" }, ["a.deb", "b.deb"], []],
  [
    "one is not wanted any more",
    {
      ...onHost,
      [`${base}/SHA256SUMS`]: `${onHost[`${base}/SHA256SUMS`]}${"e".repeat(64)}  e.deb\n`,
      [`${base}/e.deb`]: "",
    },
    [],
    ["e.deb"],
  ],
]
for (const [what, files, sent, removed] of SENDING) {
  test(`only what the host has not is sent: ${what}`, t => {
    const there = Object.fromEntries(Object.entries(files).filter(([, text]) => text !== undefined))
    const plan = planPackages(hostFacts({ files: there }), wanted)
    const step = plan.find(({ title }) => title.startsWith("Send"))!
    const of = (kind: string) =>
      step.actions.flatMap(action =>
        action.kind === kind && "path" in action ? [action.path.slice(base.length + 1)] : [],
      )
    t.deepEqual(of("upload"), sent)
    t.deepEqual(of("remove"), removed)
    t.deepEqual(
      of("write"),
      ["Packages", "Release", "SHA256SUMS"],
      "what says that it is whole is written last",
    )
    t.true(plan.some(({ title }) => title === "Install a 2.0"))
  })
}

test("a directory that is on the host whole is not sent again", t => {
  const facts = hostFacts({ files: onHost, packages: { installed: { a: "2.0" } } })
  t.false(planPackages(facts, wanted).some(({ title }) => /Send|Install/.test(title)))
})

test("a repository that was sent goes with its set, and when the program drops it", t => {
  const record = JSON.stringify({ files: [], held: [], sent: ["own"] })
  const facts = hostFacts({ files: { "/var/lib/pulumi-xen/packages/s.json": record } })
  for (const plan of [planPackagesRemoval(facts, "s"), planPackages(facts, { id: "s" })]) {
    const commands = plan.flatMap(({ actions }) =>
      actions.flatMap(action => (action.kind === "run" ? [action.command] : [])),
    )
    t.deepEqual(commands, [["rm", "-rf", base]])
  }
})

test("a directory needs no key and no allowUnsigned, but packages of the host's kind", t => {
  const codes = (manager: "apt" | "dnf", more: object = {}) =>
    refusePackages(hostFacts({ packages: { manager } }), {
      id: "s",
      repositories: [{ name: "own", directory, ...more }],
    }).map(({ code, problem }) => `${code}: ${problem}`)
  t.deepEqual(codes("apt"), [])
  t.deepEqual(codes("dnf"), [])
  const debs = { directory: { ...directory, contents: { "a.deb": "a".repeat(64) } } }
  t.deepEqual(codes("dnf", debs), [
    "package-missing: The directory /builds of the repository own holds no .rpm, which is what the host installs.",
  ])
})
