import { readFileSync } from "node:fs"
import { userInfoOf } from "../../secret.ts"
import type { Command } from "../../ssh/command.ts"
import type { PackageManager } from "../facts/types.ts"
import { FILES_SH } from "../files.ts"
import { keyToSend } from "./openpgp.ts"
import { repositoryUrl } from "./repository/send.ts"
import type { PackageWanted, RepositoryWanted } from "./wanted.ts"

/** Sent on standard input of `sh -s`; see there. */
export const PACKAGES_SH = `${FILES_SH}${readFileSync(new URL("packages.sh", import.meta.url), "utf8")}`

/** A package tool: how its things are spelt. All pure. */
export interface PackageTool {
  readonly database: "dpkg" | "rpm"
  /** Fetches what the repositories offer. */
  readonly refresh: Command
  /** By names and versions, from the repositories. */
  install(packages: readonly PackageWanted[]): Command
  /** By paths, older ones too; signatures do not count, as the files' digests were checked. */
  installFiles(paths: readonly string[]): Command
  /** Removes these and nothing else: refused where something needs them. */
  remove(names: readonly string[]): Command
  /** The repository's files by path; the key's text is given where there is one. */
  repositoryFiles(repository: RepositoryWanted): Record<string, string>
  repositoryPath(repository: string): string
  hold(names: readonly string[]): Command
  release(names: readonly string[]): Command
  /** The package that holding needs, where the tool cannot do it by itself. */
  readonly holdPackage?: string
  /** How a person mends a run that was cut off; packages.sh has more cases of it. */
  readonly mendByHand: Command
  keyPath(repository: string): string
  /** Extension of its package files. */
  readonly extension: "deb" | "rpm"
}

/** Of a directory of packages the digests are what is trusted, unless a key is given as well. */
const isSigned = ({ key, directory, allowUnsigned }: RepositoryWanted): boolean =>
  !allowUnsigned && (key !== undefined || directory === undefined)

/** Whether a repository's file is for root alone, as there is a password in it. */
export const isPrivate = (content: string): boolean => content.includes(`\n${PRIVATE}\n`)
const PRIVATE = "# It holds a password, and is for root alone to read."

/** The mark of a private file is a line of it, so that one that was readable for everybody is written anew. */
const heading = (repository: RepositoryWanted): readonly string[] => [
  "# Written by pulumi-xen. What is changed here by hand is overwritten.",
  ...(userInfoOf(repository.url ?? "") === undefined ? [] : [PRIVATE]),
]

const APT_INSTALL: Command = [
  ...["apt-get", "-q", "-y", "--no-install-recommends", "--allow-downgrades", "--allow-change-held-packages"],
  ...["-o", "DPkg::Lock::Timeout=600", "-o", "APT::Status-Fd=1", "-o", "Dpkg::Options::=--force-confold"],
  "install",
]

/** Of packages that were cut off while they were unpacked `dpkg -l` shows an H or an R; apt takes them for installed. */
const MEND_DPKG = `dpkg --configure -a
apt-get -y -f --reinstall install $(dpkg -l | awk "/^(.H|..R)/ { print \\$2 }")
dpkg --configure -a`

const apt: PackageTool = {
  database: "dpkg",
  extension: "deb",
  refresh: ["apt-get", "-q", "update", "-o", "APT::Update::Error-Mode=any"],
  install: packages => [
    ...APT_INSTALL,
    ...packages.map(({ name, version }) => (version === undefined ? name : `${name}=${version}`)),
  ],
  // A file may be another build of the version that is installed.
  installFiles: paths => [...APT_INSTALL, "--reinstall", ...paths],
  repositoryFiles: repository => {
    const { name, suites = ["./"], components = [], key } = repository
    const lines = [
      ...heading(repository),
      "Types: deb",
      `URIs: ${repositoryUrl(repository)}`,
      `Suites: ${suites.join(" ")}`,
      ...(components.length > 0 ? [`Components: ${components.join(" ")}`] : []),
      ...(key ? [`Signed-By: ${apt.keyPath(name)}`] : []),
      ...(isSigned(repository) ? [] : ["Trusted: yes"]),
    ]
    return {
      ...(key ? { [apt.keyPath(name)]: keyToSend(key.armoured) } : {}),
      [apt.repositoryPath(name)]: `${lines.join("\n")}\n`,
    }
  },
  remove: names => ["dpkg", "--purge", ...names],
  hold: names => ["apt-mark", "hold", ...names],
  release: names => ["apt-mark", "unhold", ...names],
  mendByHand: ["sh", "-c", MEND_DPKG],
  repositoryPath: name => `/etc/apt/sources.list.d/pulumi-xen-${name}.sources`,
  keyPath: name => `/etc/apt/keyrings/pulumi-xen-${name}.asc`,
}

/** dnf, yum and zypper read the same .repo files, from different places. */
function rpmTool(
  directory: string,
  commands: Pick<PackageTool, "refresh" | "install" | "installFiles" | "hold" | "release" | "holdPackage">,
): PackageTool {
  const keyPath = (name: string) => `/etc/pki/rpm-gpg/pulumi-xen-${name}.asc`
  const repositoryPath = (name: string) => `${directory}/pulumi-xen-${name}.repo`
  return {
    ...commands,
    database: "rpm",
    remove: names => ["rpm", "-e", ...names],
    extension: "rpm",
    keyPath,
    repositoryPath,
    repositoryFiles: repository => ({
      ...(repository.key ? { [keyPath(repository.name)]: keyToSend(repository.key.armoured) } : {}),
      [repositoryPath(repository.name)]: [
        ...heading(repository),
        `[pulumi-xen-${repository.name}]`,
        `name=pulumi-xen ${repository.name}`,
        `baseurl=${repositoryUrl(repository)}`,
        "enabled=1",
        "autorefresh=1",
        // Each package is checked by its own signature, so the index needs none; pkg_gpgcheck is zypper's word.
        `gpgcheck=${isSigned(repository) ? 1 : 0}`,
        `pkg_gpgcheck=${isSigned(repository) ? 1 : 0}`,
        "repo_gpgcheck=0",
        ...(repository.key ? [`gpgkey=file://${keyPath(repository.name)}`] : []),
        "",
      ].join("\n"),
    }),
    mendByHand: ["rpm", "--rebuilddb"],
  }
}

const versioned = ({ name, version }: PackageWanted) => (version === undefined ? name : `${name}-${version}`)

const dnfLike = (program: "dnf" | "yum"): PackageTool =>
  rpmTool("/etc/yum.repos.d", {
    // Left to themselves, both believe for two days what they have; EL 7's yum knows no --refresh.
    refresh:
      program === "dnf" ? ["dnf", "-q", "-y", "--refresh", "makecache"] : ["yum", "clean", "expire-cache"],
    install: packages => [program, "-y", "install", ...packages.map(versioned)],
    installFiles: paths => [program, "-y", "--setopt=localpkg_gpgcheck=0", "install", ...paths],
    // The versionlock plugin is a package of its own on every EL.
    holdPackage: program === "dnf" ? "python3-dnf-plugin-versionlock" : "yum-plugin-versionlock",
    hold: names => [program, "versionlock", "add", ...names],
    release: names => [program, "versionlock", "delete", ...names],
  })

const zypper = rpmTool("/etc/zypp/repos.d", {
  refresh: ["zypper", "--non-interactive", "--quiet", "refresh"],
  install: packages => [
    ...[
      "zypper",
      "--non-interactive",
      "install",
      "--no-recommends",
      "--oldpackage",
      "--auto-agree-with-licenses",
    ],
    ...packages.map(({ name, version }) => (version === undefined ? name : `${name}=${version}`)),
  ],
  // zypper can leave out the check of a file's signature only together with that of everything that it needs.
  installFiles: paths => ["rpm", "-U", "--oldpackage", "--replacepkgs", "--nosignature", ...paths],
  hold: names => ["zypper", "--non-interactive", "addlock", ...names],
  release: names => ["zypper", "--non-interactive", "removelock", ...names],
})

const TOOLS: Readonly<Record<PackageManager, PackageTool>> = {
  apt,
  dnf: dnfLike("dnf"),
  yum: dnfLike("yum"),
  zypper,
}

/** Packages that holding needs, whatever the tool is: facts are asked for before that is known. */
export const HOLD_PACKAGES = Object.values(TOOLS).flatMap(({ holdPackage }) => holdPackage ?? [])

export function packageTool(manager: PackageManager): PackageTool {
  return TOOLS[manager]
}
