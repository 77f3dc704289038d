import type { Secret } from "../secret.ts"
import type { Elevation } from "./commandLine.ts"
import type { Link } from "./link.ts"
import { run, sudoError } from "./run.ts"

/**
 * How to become root there. Without a password `sudo -n` is used and speaks for itself when it fails. With one
 * sudo is asked first whether it wants it: where NOPASSWD holds, sudo does not read the password's line, and
 * the command would find it on its standard input.
 */
export async function findElevation(link: Link, password: Secret | undefined): Promise<Elevation> {
  if (password === undefined) return "sudo"
  const anyCode = Array.from({ length: 256 }, (_, code) => code)
  const asked = await run(link, "none", ["sudo", "-k", "-n", "--", "true"], { expect: anyCode })
  if (asked.exit === 0) return "sudo"
  if (asked.exit === 127) throw sudoError(link.name, "sudo", 127, asked.stderr)
  const elevation = { password }
  // Given a wrong password sudo reads on for another try; here there is nothing more to read.
  await run(link, elevation, ["true"], {})
  return elevation
}
