import { $ } from "zx"
import { isThere } from "../lab/programs.ts"

/** A Debian package that some purpose needs, and how to see that what it gives is there already. */
export interface Need {
  readonly package: string
  /** Why, for the person who is asked to have it installed. */
  readonly why: string
  /** A program on PATH, or a file by its absolute path. */
  readonly gives: string
}

/** Something is missing and cannot be installed from here; the message is what to type. */
export class SetupError extends Error {
  override name = "SetupError"
}

/**
 * Installs the packages whose programs or files are missing, as root or through sudo, after saying which and why.
 * Elsewhere it throws `SetupError` with the command to type.
 */
export async function ensurePackages(needs: readonly Need[]): Promise<void> {
  const missing = await missingNeeds(needs)
  if (missing.length === 0) return
  const packages = [...new Set(missing.map(need => need.package))].sort()
  const reasons = missing.map(need => `  ${need.package}: ${need.why}`)
  const list = [...new Set(reasons)].join("\n")
  const become = await privilege()
  if (become === undefined) {
    throw new SetupError(
      `These Debian packages are missing:\n${list}\nInstall them and run this again:\n  apt-get install ${packages.join(" ")}`,
    )
  }
  console.error(`Installing Debian packages that are missing:\n${list}`)
  const apt = $({
    quiet: true,
    nothrow: true,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  })
  await apt`${become} apt-get update -q`
  const options = ["-q", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"]
  const result = await apt`${become} apt-get install ${options} ${packages}`
  if (result.exitCode !== 0) {
    throw new SetupError(
      `apt-get install ${packages.join(" ")} failed:\n${result.stderr.trim().split("\n").slice(-5).join("\n")}`,
    )
  }
}

export async function missingNeeds(needs: readonly Need[]): Promise<Need[]> {
  const there = await Promise.all(needs.map(need => isThere(need.gives)))
  return needs.filter((_, index) => !there[index])
}

/** The words before a command that needs root; `undefined` where it cannot be had without asking. */
async function privilege(): Promise<string[] | undefined> {
  if (!(await isThere("apt-get"))) return undefined
  if (process.getuid?.() === 0) return []
  const sudo = await $({ nothrow: true, quiet: true })`sudo -n true`
  return sudo.exitCode === 0 ? ["sudo", "-n"] : undefined
}
