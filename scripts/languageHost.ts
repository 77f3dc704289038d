import { chmod, rename, writeFile } from "node:fs/promises"
import { join } from "node:path"

/**
 * A language host of SDK 3.68 takes a project's runtime options as flags, and a later CLI no longer gives them so: it
 * would load the TypeScript compiler for programs that say they need none. As a release's own does, this one looks.
 */
const script = `#!/bin/sh
grep -Eqs '^([^#]*[{, ])?"?typescript"?: *false' Pulumi.yaml Pulumi.yml Pulumi.json && set -- -typescript=false "$@"
exec "$0-3.68.0" "$@"
`

/** Puts the built program into the folder as the host of programs for Node. */
export async function placeLanguageHost(built: string, bin: string): Promise<void> {
  const program = join(bin, "pulumi-language-nodejs")
  await rename(built, `${program}-3.68.0`)
  const aside = join(bin, ".pulumi-language-nodejs.script")
  await writeFile(aside, script)
  await chmod(aside, 0o755)
  await rename(aside, program)
}
