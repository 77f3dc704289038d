import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test from "ava"
import type { HostFacts } from "../../provider/host/facts/types.ts"
import { refuseUnknownXen } from "../../provider/host/packages/available.ts"
import { KeyFormatError, keyFingerprint, sameFingerprint } from "../../provider/host/packages/openpgp.ts"
import { planPackages, planPackagesRemoval } from "../../provider/host/packages/plan.ts"
import { packageProgress } from "../../provider/host/packages/progress.ts"
import { refusePackages } from "../../provider/host/packages/refusals.ts"
import type { PackagesWanted } from "../../provider/host/packages/wanted.ts"
import { hostFacts } from "./helpers/facts.ts"
import { must } from "./helpers/run.ts"

const titles = (facts: HostFacts, wanted: PackagesWanted) =>
  planPackages(facts, wanted).map(({ title }) => title)
const withInstalled = (installed: Record<string, string>, held: string[] = []) =>
  hostFacts({ packages: { installed, held } })

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
      `remove ${landed}`,
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
  const [unknown] = refuseUnknownXen(hostFacts({ os }))
  t.regex(unknown!.problem, /Which packages Xen consists of on Plan 9 is not known/)
  t.deepEqual(refuseUnknownXen(hostFacts()), [])
})

test("fingerprints are those that gpg tells, of every kind of key", async t => {
  const home = await mkdtemp(join(tmpdir(), "pulumi-xen-gpg-"))
  t.teardown(() => rm(home, { recursive: true, force: true }))
  const gpg = (...words: string[]) =>
    must(["gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", "", ...words])
  t.teardown(async () => {
    await must(["gpgconf", "--homedir", home, "--kill", "gpg-agent"])
  })
  for (const kind of ["ed25519", "rsa2048", "nistp256"]) {
    await gpg("--quick-generate-key", `${kind}@example.org`, kind, "sign", "never")
    const armoured = await gpg("--armor", "--export", `${kind}@example.org`)
    const listed = await gpg("--with-colons", "--list-keys", `${kind}@example.org`)
    const expected = /^fpr:+([0-9A-F]+):/m.exec(listed)![1]!
    t.is(keyFingerprint(armoured), expected, kind)
    t.true(sameFingerprint(expected.toLowerCase().replace(/(.{4})/g, "$1 "), expected))
    const lines = armoured.split("\n")
    t.throws(() => keyFingerprint([...lines.slice(0, 3), "-----END PGP PUBLIC KEY BLOCK-----"].join("\n")), {
      instanceOf: KeyFormatError,
    })
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
