import { lines, parseFields, type Sections } from "./sections.ts"
import type { Family, PackageFacts, PackageManager, XenPackage } from "./types.ts"

/** os-release(5): the family by `ID`, else by the nearest of `ID_LIKE`. */
export function familyOf(id: string, idLike: string): Family {
  for (const one of [id, ...idLike.split(/\s+/)]) {
    if (/^(debian|ubuntu|devuan)$/.test(one)) return "debian"
    if (/^(rhel|centos|fedora|almalinux|rocky|ol|xenserver|xcp-ng)$/.test(one)) return "el"
    if (/^(suse|opensuse.*|sles|sled)$/.test(one)) return "suse"
  }
  return "other"
}

/** The tool whose database holds the system: rpm may be installed on Debian, and dpkg on Fedora, as a guest. */
export function packageManagerOf(tools: readonly string[], family: Family): PackageManager | undefined {
  const has = (tool: string) => tools.includes(tool)
  const rpm =
    has("zypper") && (family === "suse" || !(has("dnf") || has("yum")))
      ? ("zypper" as const)
      : has("dnf5") || has("dnf")
        ? ("dnf" as const)
        : has("yum")
          ? ("yum" as const)
          : undefined
  const ownsDpkg = has("dpkg-database") && has("apt-get")
  if (family === "el" || family === "suse") return rpm ?? (ownsDpkg ? "apt" : undefined)
  return ownsDpkg ? "apt" : rpm
}

const XEN_PACKAGE =
  /^(xen|xen-(system|hypervisor|utils|runtime|tools|libs)(-[\w.+-]+)?|xen-hypervisor-common|xen-utils-common)$/

export function parsePackages(sections: Sections, family: Family): PackageFacts {
  const manager = packageManagerOf(lines(sections.get("package-tools")), family)
  const installed = manager === "apt" ? dpkgVersions(sections) : rpmVersions(sections)
  const available = manager === "apt" ? aptCandidates(sections) : rpmCandidates(sections)
  const xen = [...new Set([...Object.keys(installed), ...Object.keys(available)])]
    .filter(name => XEN_PACKAGE.test(name))
    .sort()
    .map(
      (name): XenPackage => ({
        name,
        ...present(installed[name], "installed"),
        ...present(available[name], "available"),
      }),
    )
  return {
    ...(manager === undefined ? {} : { manager }),
    installed,
    available,
    held: manager === "apt" ? dpkgHeld(sections) : rpmHeld(sections),
    xen,
    broken: manager === "apt" ? dpkgBroken(sections) : lines(sections.get("rpm-broken")),
  }
}

function present<Key extends string>(value: string | undefined, key: Key): Partial<Record<Key, string>> {
  return value === undefined ? {} : ({ [key]: value } as Partial<Record<Key, string>>)
}

/** dpkg shows the architecture where it matters: "libc6:amd64" is "libc6" for people. */
function plainName(name: string): string {
  return name.replace(/:[\w-]+$/, "")
}

/** Rows of dpkg's database: what is asked for, and whatever is not whole. */
function dpkgRows(sections: Sections) {
  return lines(sections.get("dpkg")).map(line => {
    const [name = "", version = "", status = "", flag = "", want = ""] = line.split("\t")
    return { name: plainName(name), version, status, flag, want }
  })
}

function dpkgVersions(sections: Sections): Record<string, string> {
  const rows = dpkgRows(sections).filter(({ status }) => status === "installed")
  return Object.fromEntries(rows.map(({ name, version }) => [name, version]))
}

function dpkgHeld(sections: Sections): string[] {
  return dpkgRows(sections).flatMap(({ name, want }) => (want === "hold" ? [name] : []))
}

const WHOLE = ["installed", "not-installed", "config-files"]

function dpkgBroken(sections: Sections): string[] {
  const rows = dpkgRows(sections).filter(({ status, flag }) => !WHOLE.includes(status) || flag !== "ok")
  return rows.map(({ name }) => name)
}

const LOCKS = [
  "/etc/dnf/plugins/versionlock.list",
  "/etc/yum/pluginconf.d/versionlock.list",
  "/etc/zypp/locks",
]

/** Lines of versionlock ("xen-0:4.17.7-1.el9.*") and of zypper's locks ("solvable_name: xen"). */
function rpmHeld(sections: Sections): string[] {
  const listed = LOCKS.flatMap(path => lines(sections.get(`file ${path}`))).flatMap(line => {
    const locked =
      /^solvable_name:\s*(\S+)/.exec(line)?.[1] ?? /^([A-Za-z0-9].*?)-(?:\d+:)?\d[^-]*-[^-]+$/.exec(line)?.[1]
    return locked === undefined ? [] : [locked]
  })
  return [...listed, ...dnf5Held(sections.get("file /etc/dnf/versionlock.toml") ?? "")]
}

/** dnf5's `[[packages]]` (dnf5-versionlock(8)). One that is kept from a version, and not at one, is not held. */
function dnf5Held(toml: string): string[] {
  const [, ...packages] = toml.split(/^\[\[packages\]\]\s*$/m)
  return packages.flatMap(text => {
    const name = /^name\s*=\s*["']([^"'*?]+)["']/m.exec(text)?.[1]
    return name !== undefined && /^comparator\s*=\s*["']==?["']/m.test(text) ? [name] : []
  })
}

/** An epoch of 0 is not written by dnf and zypper, and so not here. */
function rpmVersion(version: string): string {
  return version.trim().replace(/^(0|\(none\)):/, "")
}

function rpmVersions(sections: Sections): Record<string, string> {
  return Object.fromEntries(
    lines(sections.get("rpm"))
      .map(line => line.split("\t"))
      .filter(([, version]) => version !== undefined)
      .map(([name, version]) => [name!, rpmVersion(version!)]),
  )
}

/** `apt-cache policy`: "name:", then "  Candidate: version". */
function aptCandidates(sections: Sections): Record<string, string> {
  const candidates: Record<string, string> = {}
  let name = ""
  for (const line of lines(sections.get("apt-policy"))) {
    const heading = /^(\S+):$/.exec(line)
    if (heading) name = plainName(heading[1]!)
    const candidate = /^\s+Candidate:\s+(\S+)/.exec(line)?.[1]
    if (candidate && candidate !== "(none)") candidates[name] = candidate
  }
  return candidates
}

/** dnf: `name<TAB>version`; yum: `name.arch version repo`; zypper: a table, newest first. */
function rpmCandidates(sections: Sections): Record<string, string> {
  const candidates: Record<string, string> = {}
  for (const line of lines(sections.get("rpm-available"))) {
    const [name, version] = line.includes("|")
      ? [line.split("|")[1]?.trim(), line.split("|")[3]?.trim()]
      : line.includes("\t")
        ? line.split("\t")
        : line
            .trim()
            .split(/\s+/)
            .map((word, at) => (at === 0 ? word.replace(/\.\w+$/, "") : word))
    if (name && version && /^[\d(]/.test(version)) candidates[name] ??= rpmVersion(version)
  }
  return candidates
}

/** os-release(5), whichever file it came from. */
export function parseOsRelease(sections: Sections): Record<string, string> {
  return parseFields(sections.get("file /etc/os-release") ?? sections.get("file /usr/lib/os-release") ?? "")
}
