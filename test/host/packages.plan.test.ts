import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { deflateRawSync } from "node:zlib"
import test, { type ExecutionContext } from "ava"
import type { HostFacts } from "../../provider/host/facts/types.ts"
import { armour, dearmour, KeyFormatError } from "../../provider/host/packages/armour.ts"
import { refuseUnknownXen, XEN_COMPANIONS, xenPackages } from "../../provider/host/packages/available.ts"
import { expectedPackages } from "../../provider/host/packages/offers.ts"
import {
  keyFingerprint,
  keyFingerprints,
  readPublicKey,
  sameFingerprint,
} from "../../provider/host/packages/openpgp.ts"
import { planPackages, planPackagesRemoval } from "../../provider/host/packages/plan.ts"
import { packageProgress } from "../../provider/host/packages/progress.ts"
import { refusePackages } from "../../provider/host/packages/refusals.ts"
import { packageTool } from "../../provider/host/packages/tools.ts"
import type { PackagesWanted } from "../../provider/host/packages/wanted.ts"
import { recordText } from "../../provider/host/records.ts"
import { step } from "../../provider/host/step.ts"
import { hostFacts } from "./helpers/facts.ts"
import { must } from "./helpers/run.ts"

const titles = (facts: HostFacts, wanted: PackagesWanted) =>
  planPackages(facts, wanted).map(({ title }) => title)
const withInstalled = (installed: Record<string, string>, held: string[] = []) =>
  hostFacts({ packages: { installed, held } })

const file = (digit: string) => ({ name: "lib", source: "/tmp/lib.deb", sha256: digit.repeat(64) })
/** A host with a version of lib, and a record of the set a. */
const withRecord = (record: object, held: string[] = []) =>
  hostFacts({
    packages: { installed: { lib: "1.0" }, held },
    files: { "/var/lib/pulumi-xen/packages/a.json": recordText({ files: [], held: [], ...record }) },
  })

const CASES: [string, HostFacts, PackagesWanted, string[]][] = [
  ["nothing is wanted", hostFacts(), { id: "a" }, []],
  ["it is installed", withInstalled({ xen: "4.17" }), { id: "a", packages: [{ name: "xen" }] }, []],
  [
    "it is installed in that version",
    withInstalled({ xen: "4.17" }),
    { id: "a", packages: [{ name: "xen", version: "4.17" }] },
    [],
  ],
  [
    "it is missing",
    hostFacts(),
    { id: "a", packages: [{ name: "xen" }, { name: "nft" }] },
    ["Install xen, nft"],
  ],
  [
    "one of two is missing",
    withInstalled({ nft: "1" }),
    { id: "a", packages: [{ name: "xen" }, { name: "nft" }] },
    ["Install xen"],
  ],
  [
    "another version is installed",
    withInstalled({ xen: "4.16" }),
    { id: "a", packages: [{ name: "xen", version: "4.17" }] },
    ["Install xen 4.17"],
  ],
  [
    "it is to be held",
    withInstalled({ xen: "4.17" }),
    { id: "a", packages: [{ name: "xen", hold: true }] },
    ["Write down what the set a puts on the host", "Hold xen"],
  ],
  [
    "a run was cut off",
    hostFacts({ packages: { broken: ["xen-utils"], installed: { xen: "1" } } }),
    { id: "a", packages: [{ name: "xen" }] },
    ["Mend a package run that was cut off (xen-utils)"],
  ],
  [
    "a run was cut off when all was there",
    hostFacts({
      packages: { installed: { xen: "1" } },
      files: { "/var/lib/pulumi-xen/packages/a.before": "" },
    }),
    { id: "a", packages: [{ name: "xen" }] },
    ["Count what a run that was cut off has added"],
  ],
  [
    "somebody else holds it already",
    withInstalled({ xen: "4.17" }, ["xen"]),
    { id: "a", packages: [{ name: "xen", hold: true }] },
    [],
  ],
  [
    "somebody else holds it in another version",
    withInstalled({ xen: "4.16" }, ["xen"]),
    { id: "a", packages: [{ name: "xen", version: "4.17", hold: true }] },
    [
      "Write down what the set a puts on the host",
      "Let upgrades have xen again",
      "Install xen 4.17",
      "Hold xen",
    ],
  ],
  [
    "a run was cut off that had let somebody else's hold go",
    withRecord({ lifted: ["lib"] }),
    { id: "a", packages: [{ name: "lib" }] },
    ["Hold lib"],
  ],
  [
    "what the set held is wanted in another version, and held no more",
    withRecord({ held: ["lib"] }, ["lib"]),
    { id: "a", packages: [{ name: "lib", version: "2.0" }] },
    ["Write down what the set a puts on the host", "Let upgrades have lib again", "Install lib 2.0"],
  ],
  [
    "the file was installed",
    withRecord({ digests: { lib: "1".repeat(64) } }),
    { id: "a", files: [file("1")] },
    [],
  ],
  [
    "the file was installed, and its package is gone",
    hostFacts({ files: withRecord({ digests: { lib: "1".repeat(64) } }).files }),
    { id: "a", files: [file("1")] },
    ["Install lib"],
  ],
  [
    "another file of the package was installed",
    withRecord({ digests: { lib: "1".repeat(64) } }),
    { id: "a", files: [file("2")] },
    ["Write down what the set a puts on the host", "Install lib"],
  ],
  [
    "another file of a package that is held",
    withRecord({ digests: { lib: "1".repeat(64) } }, ["lib"]),
    { id: "a", files: [file("2")] },
    ["Write down what the set a puts on the host", "Let upgrades have lib again", "Install lib", "Hold lib"],
  ],
  [
    "the file's package is installed, and nobody wrote down from which file",
    withInstalled({ lib: "1.0" }),
    { id: "a", files: [file("1")] },
    ["Install lib"],
  ],
  [
    "the file's package is installed, and the record is of a time that kept no digests",
    withRecord({}),
    { id: "a", files: [file("1")] },
    ["Install lib"],
  ],
  [
    "a file is not wanted any more",
    withRecord({ digests: { lib: "1".repeat(64) } }),
    { id: "a" },
    ["Write down what the set a puts on the host"],
  ],
  [
    "a repository is new",
    withInstalled({ xen: "4.17" }),
    {
      id: "a",
      packages: [{ name: "xen" }],
      repositories: [{ name: "own", url: "https://example.org/deb", allowUnsigned: true }],
    },
    [
      "Write down what the set a puts on the host",
      "Add the package repositories own (https://example.org/deb)",
    ],
  ],
]

for (const [what, facts, wanted, expected] of CASES)
  test(`a plan of packages is the least there is to do: ${what}`, t => {
    t.deepEqual(titles(facts, wanted), expected)
  })

test("a file is sent under its digest and installed, before the packages that it may bring a repository for", t => {
  const sha256 = "a".repeat(64)
  const plan = planPackages(hostFacts({ packages: { manager: "dnf" } }), {
    id: "xen",
    packages: [{ name: "xen", version: "4.17.7-1" }],
    files: [{ name: "release", source: "/tmp/release.rpm", sha256 }],
  })
  const words = plan.map(({ actions }) =>
    actions.map(action =>
      action.kind === "run" ? action.command.slice(2).join(" ") : `${action.kind} ${action.path}`,
    ),
  )
  const landed = "/var/lib/pulumi-xen/packages/xen.release.rpm"
  t.deepEqual(words, [
    [
      "/var/lib/pulumi-xen/packages",
      `upload ${landed}`,
      `install xen rpm dnf -y --setopt=localpkg_gpgcheck=0 install ${landed}`,
      `renew ${landed}`,
      `remove ${landed}`,
      "write /var/lib/pulumi-xen/packages/xen.json",
    ],
    ["run dnf -q -y --refresh makecache", "install xen rpm dnf -y install xen-4.17.7-1"],
  ])
  const upload = plan[0]!.actions[1]!
  t.is(upload.kind === "upload" ? upload.sha256 : "", sha256)
})

test("lists that were fetched to look a package up are not fetched again to install it", t => {
  const verbs = (fetched: boolean) =>
    planPackages(hostFacts({ packages: { manager: "apt", fetched } }), {
      id: "a",
      packages: [{ name: "nftables" }],
    })
      .flatMap(({ actions }) => actions)
      .map(action => (action.kind === "run" ? action.command[2] : action.kind))
  t.deepEqual(verbs(false), ["run", "install"])
  t.deepEqual(verbs(true), ["install"])
})

test("an unsigned repository that was asked for is shown as such", t => {
  const repositories = [{ name: "own", url: "https://example.org/deb", allowUnsigned: true }]
  const step = planPackages(hostFacts(), { id: "a", repositories }).find(({ title }) =>
    /repositories/.test(title),
  )
  t.regex(step?.note ?? "", /not checked for a signature, as was asked/)
})

for (const manager of ["apt", "dnf", "yum", "zypper"] as const)
  test(`a password in a repository's address is not told, and for root alone to read: ${manager}`, t => {
    const url = "https://anna:hunter2@example.org/deb"
    const repositories = [
      { name: "own", url, allowUnsigned: true },
      { name: "token", url: "https://hunter2@example.org/deb", allowUnsigned: true },
      { name: "open", url: "https://example.org/a@b", allowUnsigned: true },
    ]
    const plan = planPackages(hostFacts({ packages: { manager } }), { id: "a", repositories })
    t.is(
      plan.at(-1)!.title,
      "Add the package repositories own (https://[secret]@example.org/deb), " +
        "token (https://[secret]@example.org/deb), open (https://example.org/a@b)",
    )
    t.notRegex(JSON.stringify(plan), /hunter2/)
    const modes = plan.at(-1)!.actions.flatMap(action => (action.kind === "write" ? [action.mode] : []))
    t.deepEqual(modes, [0o600, 0o600, undefined])
    const [refused] = refusePackages(hostFacts(), {
      id: "a",
      repositories: [{ name: "own", url: "ftp://anna:hunter2@example.org", allowUnsigned: true }],
    })
    t.regex(refused!.problem, /"ftp:\/\/\[secret\]@example.org" is no address/)
  })

test("a file that holds a password, and was readable for everybody, is written anew", t => {
  const repositories = [{ name: "own", url: "https://anna:hunter2@example.org/deb", allowUnsigned: true }]
  const path = "/etc/apt/sources.list.d/pulumi-xen-own.sources"
  const written = packageTool("apt").repositoryFiles(repositories[0]!)[path]!
  const earlier = written.replace("# It holds a password, and is for root alone to read.\n", "")
  t.not(earlier, written)
  const adds = (content: string) =>
    titles(hostFacts({ files: { [path]: content } }), { id: "a", repositories }).some(one => /^Add/.test(one))
  t.deepEqual([adds(earlier), adds(written)], [true, false])
})

const own = { name: "own", url: "https://example.org/deb", allowUnsigned: true }
const opened = {
  path: "/builds",
  contents: {},
  opened: {
    deb: { index: {}, names: ["lib"], versions: {} },
    rpm: { index: {}, names: ["xen"], versions: {} },
  },
}
const directory = { name: "builds", directory: opened }
const xenAndLib = [{ name: "xen" }, { name: "lib" }]
const ownThere = packageTool("apt").repositoryFiles(own)
const EXPECTED: [string, HostFacts, Omit<PackagesWanted, "id">, fromHost: string[], fromNew: string[]][] = [
  ["no repository is added", hostFacts(), { packages: xenAndLib }, ["xen", "lib"], []],
  ["one of them is installed", withInstalled({ lib: "1" }), { packages: xenAndLib }, ["xen"], []],
  ["a directory has one", hostFacts(), { packages: xenAndLib, repositories: [directory] }, ["xen"], []],
  ["a repository is new", hostFacts(), { packages: xenAndLib, repositories: [own, directory] }, [], ["xen"]],
  [
    "a repository was added by an earlier run",
    hostFacts({ files: ownThere }),
    { packages: xenAndLib, repositories: [own] },
    ["xen", "lib"],
    [],
  ],
  [
    "a file may bring a repository",
    hostFacts(),
    { packages: xenAndLib, repositories: [own], files: [{ ...file("1"), name: "release" }] },
    [],
    [],
  ],
  [
    "the file is there",
    withInstalled({ release: "1" }),
    { packages: xenAndLib, files: [{ ...file("1"), name: "release" }] },
    ["xen", "lib"],
    [],
  ],
]
for (const [what, facts, wanted, fromHost, fromNew] of EXPECTED)
  test(`what repositories must offer is known before it is tried, as far as it can be: ${what}`, t => {
    t.deepEqual(expectedPackages(facts, { id: "a", ...wanted }), { fromHost, fromNew })
  })

test("GRUB is held once the packages are known to be there, and only where there is something to do", t => {
  const hold = [step("Hold GRUB", [])]
  const plan = planPackages(hostFacts(), { id: "a", packages: [{ name: "xen" }], repositories: [own] }, hold)
  t.deepEqual(
    plan.map(({ title }) => title),
    [
      "Write down what the set a puts on the host",
      "Add the package repositories own (https://example.org/deb)",
      "Hold GRUB",
      "Install xen",
    ],
  )
  const verbs = plan.map(({ actions }) =>
    actions.map(one => (one.kind === "run" ? one.command[2] : one.kind)),
  )
  t.deepEqual(verbs, [["write"], ["write", "run", "offered"], [], ["install"]], "the lists are fetched once")
  t.deepEqual(planPackages(withInstalled({ xen: "1" }), { id: "a", packages: [{ name: "xen" }] }, hold), [])
})

test("a hold that was there before the set is none of it: not written down, held again after a change, and left", t => {
  const wanted: PackagesWanted = { id: "a", packages: [{ name: "lib", version: "2.0", hold: true }] }
  const record = "/var/lib/pulumi-xen/packages/a.json"
  const written = planPackages(withInstalled({ lib: "1.0" }, ["lib"]), wanted)
    .flatMap(({ actions }) => actions)
    .flatMap(action => (action.kind === "write" && action.path === record ? [String(action.content)] : []))
  t.deepEqual(
    written.map(text => JSON.parse(text)),
    [
      { files: [], held: [], lifted: ["lib"] },
      { files: [], held: [] },
    ],
  )
  const after = (content: string, held: string[]) =>
    hostFacts({ packages: { installed: { lib: "2.0" }, held }, files: { [record]: content } })
  const removal = (facts: HostFacts) => planPackagesRemoval(facts, "a").map(({ title }) => title)
  t.deepEqual(titles(after(written[1]!, ["lib"]), wanted), [])
  t.deepEqual(removal(after(written[1]!, ["lib"])), ["Forget the set a"])
  // Killed before it was held again.
  t.deepEqual(titles(after(written[0]!, []), wanted), ["Hold lib"])
  t.deepEqual(removal(after(written[0]!, [])), ["Hold lib", "Forget the set a"])
})

test("what rpm has twice is mended before the set goes; dpkg removes what is not whole", t => {
  const removal = (manager: "apt" | "dnf", path: string) =>
    planPackagesRemoval(
      hostFacts({
        packages: { manager, broken: ["lib"] },
        files: { [`/var/lib/pulumi-xen/packages/${path}`]: "lib\n" },
      }),
      "a",
    ).map(({ title }) => title)
  const mend = "Mend a package run that was cut off (lib)"
  t.deepEqual(removal("dnf", "a.added"), [mend, "Remove the packages that were added"])
  t.deepEqual(removal("dnf", "a.before"), [mend, "Remove the packages that were added"])
  t.deepEqual(removal("apt", "a.added"), ["Remove the packages that were added"])
  t.deepEqual(removal("dnf", "b.added"), [], "there is nothing to remove")
})

test("a removal is nothing where nothing was added", t => {
  t.deepEqual(planPackagesRemoval(hostFacts(), "a"), [])
})

const BAD: [string, PackagesWanted, string][] = [
  ["an option as a name", { id: "a", packages: [{ name: "-y" }] }, "input"],
  ["a glob as a name", { id: "a", packages: [{ name: "xen*" }] }, "input"],
  ["a version with a blank", { id: "a", packages: [{ name: "xen", version: "1 2" }] }, "input"],
  [
    "a repository without a key",
    { id: "a", repositories: [{ name: "own", url: "https://example.org" }] },
    "unsigned",
  ],
  [
    "a key that is none",
    {
      id: "a",
      repositories: [{ name: "own", url: "https://example.org", key: { armoured: "x", fingerprint: "y" } }],
    },
    "key",
  ],
  [
    "a repository by FTP",
    { id: "a", repositories: [{ name: "own", url: "ftp://example.org", allowUnsigned: true }] },
    "input",
  ],
  [
    "a repository named ../x",
    { id: "a", repositories: [{ name: "../x", url: "https://example.org", allowUnsigned: true }] },
    "input",
  ],
]

for (const [what, wanted, code] of BAD)
  test(`refused before anything is changed: ${what}`, t => {
    t.deepEqual(
      refusePackages(hostFacts(), wanted).map(refusal => refusal.code as string),
      [code],
    )
  })

test("a distribution whose packages nobody knows is refused in a sentence that names it", t => {
  const os = { prettyName: "Plan 9", family: "other" } as const
  const refusals = refusePackages(hostFacts({ os, packages: { manager: undefined as never } }), {
    id: "a",
    packages: [{ name: "xen" }],
  })
  t.deepEqual(
    refusals.map(({ code, problem }) => [code, problem]),
    [["os", "Plan 9 has none of apt, dnf, yum and zypper."]],
  )
  t.regex(refusals[0]!.remedy, /^Take a machine with Debian, EL or SUSE/)
  const [unknown] = refuseUnknownXen(hostFacts({ os }))
  t.regex(unknown!.problem, /Which packages Xen consists of on Plan 9 is not known/)
  t.deepEqual(refuseUnknownXen(hostFacts()), [])
})

for (const [family, names] of [
  ["debian", ["xen-system-amd64", "nftables", "logrotate"]],
  ["el", ["xen"]],
  ["suse", ["xen", "xen-tools", "logrotate"]],
] as const)
  test(`Xen comes with what a swap and the consoles' logs need, where the distribution has it apart: ${family}`, t => {
    const found = xenPackages(hostFacts({ os: { family } })).map(({ name }) => name)
    t.deepEqual(found, names)
    const unseen = found.filter(name => !/^xen/.test(name) && !XEN_COMPANIONS.includes(name))
    t.deepEqual(unseen, [], "the facts hold whether it is there")
  })

/** A keyring of gpg's own, which goes with the test. */
async function keyring(t: ExecutionContext) {
  const home = await mkdtemp(join(tmpdir(), "pulumi-xen-gpg-"))
  t.teardown(() => rm(home, { recursive: true, force: true }))
  t.teardown(async () => {
    await must(["gpgconf", "--homedir", home, "--kill", "gpg-agent"])
  })
  const gpg = (...words: string[]) =>
    must(["gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", "", ...words])
  const make = async (user: string, kind: string) => {
    await gpg("--quick-generate-key", user, kind, "sign", "never")
    const listed = await gpg("--with-colons", "--list-keys", user)
    const fingerprint = /^fpr:+([0-9A-F]+):/m.exec(listed)![1]!
    return { fingerprint, armoured: await gpg("--armor", "--export", user) }
  }
  return { home, gpg, make }
}

test("fingerprints are those that gpg tells, of every kind of key", async t => {
  const { make } = await keyring(t)
  for (const kind of ["ed25519", "rsa2048", "nistp256"]) {
    const { armoured, fingerprint } = await make(`${kind}@example.org`, kind)
    t.is(keyFingerprint(armoured), fingerprint, kind)
    t.true(sameFingerprint(fingerprint.toLowerCase().replace(/(.{4})/g, "$1 "), fingerprint))
    const lines = armoured.split("\n")
    t.throws(() => keyFingerprint([...lines.slice(0, 3), "-----END PGP PUBLIC KEY BLOCK-----"].join("\n")), {
      instanceOf: KeyFormatError,
    })
  }
})

test("a text that holds a stranger's key beside the promised one is refused, however it is packed", async t => {
  const { home, gpg, make } = await keyring(t)
  const own = await make("own@example.org", "ed25519")
  const stranger = await make("stranger@example.org", "rsa2048")
  const both = [own.armoured, stranger.armoured].flatMap(dearmour)
  // gpg imports what is in a compressed packet, and decodes base64 that goes on after its end.
  const compressed = Buffer.concat([Buffer.from([0xa3, 1]), deflateRawSync(both[1]!)])
  const padded = own.armoured.replace(/\n=.*\n/, line => `${line}${both[1]!.toString("base64")}\n`)
  const secret = await gpg("--armor", "--export-secret-keys", "own@example.org")
  const texts: [what: string, text: string, says: RegExp][] = [
    ["one block", armour(Buffer.concat(both)), /holds 2 keys/],
    ["two blocks", own.armoured + stranger.armoured, /holds 2 keys/],
    ["two blocks on one line", own.armoured.trimEnd() + stranger.armoured, /holds 2 keys/],
    ["in front", stranger.armoured + own.armoured, /holds 2 keys/],
    ["compressed", armour(Buffer.concat([both[0]!, compressed])), /cannot be read/],
    ["after the checksum", padded, /is no base64/],
    ["the secret key itself", secret.replaceAll("PRIVATE", "PUBLIC"), /does not begin with a public key/],
  ]
  for (const [what, armoured, says] of texts) {
    const key = { armoured, fingerprint: own.fingerprint }
    const refusals = refusePackages(hostFacts(), {
      id: "a",
      repositories: [{ name: "own", url: "https://example.org", key }],
    })
    t.deepEqual(
      refusals.map(({ code }) => code),
      ["key"],
      what,
    )
    t.regex(refusals[0]!.problem, says, what)
    if (!/2 keys/.test(says.source)) continue
    t.deepEqual(keyFingerprints(armoured).sort(), [own.fingerprint, stranger.fingerprint].sort(), what)
    for (const { fingerprint } of [own, stranger]) t.true(refusals[0]!.problem.includes(fingerprint), what)
    t.true(refusals[0]!.remedy.includes(`gpg --export --armor ${own.fingerprint}`), what)
  }
  const imported = join(home, "imported.asc")
  await writeFile(imported, texts[4]![1])
  t.true((await gpg("--with-colons", "--show-keys", imported)).includes(stranger.fingerprint), "gpg would")
})

test("a key with subkeys, several users and signatures is one key, and arrives as gpg would export it", async t => {
  const { gpg, make } = await keyring(t)
  const { fingerprint, armoured } = await make("own@example.org", "ed25519")
  await gpg("--quick-add-key", fingerprint, "ed25519", "sign", "never")
  await gpg("--quick-add-uid", fingerprint, "other@example.org")
  const whole = await gpg("--armor", "--export", fingerprint)
  t.not(whole, armoured)
  t.deepEqual(readPublicKey(whole), { fingerprint, armoured: whole })
})

test("what stands around a key is not sent: apt and rpm would read other blocks there", async t => {
  const { make } = await keyring(t)
  const own = await make("own@example.org", "ed25519")
  const stranger = await make("stranger@example.org", "ed25519")
  const aside = stranger.armoured.replaceAll("PUBLIC KEY BLOCK", "MESSAGE")
  const commented = own.armoured.replace("\n", "\nComment: of example.org - and of nobody else\n")
  const key = { armoured: `A vendor's words.\n${aside}${commented}${aside}`, fingerprint: own.fingerprint }
  for (const manager of ["apt", "dnf", "zypper"] as const) {
    const facts = hostFacts({ packages: { manager } })
    const repositories = [{ name: "own", url: "https://example.org", key }]
    t.deepEqual(refusePackages(facts, { id: "a", repositories }), [])
    const written = planPackages(facts, { id: "a", repositories })
      .flatMap(({ actions }) => actions)
      .flatMap(action => (action.kind === "write" && action.path.endsWith(".asc") ? [action.content] : []))
    t.deepEqual(written, [own.armoured], manager)
  }
})

test("a key that is no key is refused by name", t => {
  for (const text of [
    "",
    "hello",
    "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----",
  ])
    t.throws(() => keyFingerprint(text), { instanceOf: KeyFormatError })
})

const PROGRESS: [string, string[], string | undefined][] = [
  [
    "apt downloads",
    ["dlstatus:2:20.5:Retrieving file 2 of 12 (1min 3s remaining)"],
    "downloading 2 of 12 (21 %)",
  ],
  [
    "apt sets up the second of three",
    ["0 upgraded, 3 newly installed, 0 to remove", "Setting up a (1) ...", "Setting up b (1) ..."],
    "installing 2 of 3: b",
  ],
  [
    "dnf installs",
    ["  Installing       : xen-4.17-1.x86_64                 3/12 "],
    "installing 3 of 12: xen-4.17-1.x86_64",
  ],
  [
    "dnf downloads",
    ["(2/9): xen-libs-4.17.rpm   1.0 MB/s | 600 kB"],
    "downloading 2 of 9: xen-libs-4.17.rpm",
  ],
  [
    "zypper installs",
    ["( 3/12) Installing: xen-4.17-1.x86_64 [...done]"],
    "installing 3 of 12: xen-4.17-1.x86_64",
  ],
  [
    "somebody else is at work",
    ["waiting for apt-get upgrade (process 12)"],
    "waiting for another package manager: apt-get upgrade (process 12)",
  ],
  ["chatter", ["Reading package lists..."], undefined],
]

for (const [what, lines, expected] of PROGRESS)
  test(`the output of a package tool is told as progress: ${what}`, t => {
    const read = packageProgress()
    t.is(lines.map(read).at(-1), expected)
  })
