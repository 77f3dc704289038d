import { existsSync } from "node:fs"
import { chmod, rename, writeFile } from "node:fs/promises"
import { join } from "node:path"

const version = "3.68.0"

/**
 * A language host of SDK 3.68 takes a project's runtime options as flags, and a later CLI no longer gives them so: it
 * would load the TypeScript compiler for programs that say they need none. As a release's own does, this one looks.
 */
const script = `#!/bin/sh
option() {
  sed -nE "s/^([^#]*[{, ])?\\"?$1\\"?: *\\"?([^\\",}#]*[^\\",}# ]).*/\\2/p" Pulumi.yaml Pulumi.yml Pulumi.json 2>/dev/null
}
nodeargs=$(option nodeargs)
[ -z "$nodeargs" ] || set -- "-nodeargs=$nodeargs" "$@"
[ "$(option typescript)" != false ] || set -- -typescript=false "$@"
exec "$0-${version}" "$@"
`

/** Puts the built program into the folder as the host of programs for Node. */
export async function placeLanguageHost(built: string, bin: string): Promise<void> {
  await rename(built, join(bin, `pulumi-language-nodejs-${version}`))
  await placeScript(bin)
}

/** Brings up to date what was placed by an earlier state of this project; a release's own host is left alone. */
export async function renewLanguageHost(bin: string): Promise<void> {
  if (existsSync(join(bin, `pulumi-language-nodejs-${version}`))) await placeScript(bin)
}

async function placeScript(bin: string): Promise<void> {
  const aside = join(bin, ".pulumi-language-nodejs.script")
  await writeFile(aside, script)
  await chmod(aside, 0o755)
  await rename(aside, join(bin, "pulumi-language-nodejs"))
}
