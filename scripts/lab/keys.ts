import { mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { run } from "./run.ts"

/**
 * Makes the two key pairs of a machine in `directory`, unless they are there: `id_ed25519` opens it, and
 * `host_ed25519` is what it shows. `known_hosts` pins the latter under the name `lab`.
 */
export async function makeKeys(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  // Written last, so that it stands for all of them.
  if (await readFile(join(directory, "known_hosts")).catch(() => undefined)) return
  for (const name of ["id_ed25519", "host_ed25519"]) {
    await rm(join(directory, name), { force: true })
    const command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", join(directory, name)]
    await run(`make the key ${name}`, command)
  }
  await writeFile(join(directory, "known_hosts"), `lab ${await publicKey(directory, "host_ed25519")}\n`)
}

/** A public key of `directory` as `ssh-ed25519 AAAA…`, without its comment. */
export async function publicKey(directory: string, name: "id_ed25519" | "host_ed25519"): Promise<string> {
  const text = await readFile(join(directory, `${name}.pub`), "utf8")
  return text.split(" ").slice(0, 2).join(" ")
}

/** The private host key's text, for a machine's `/etc/ssh/ssh_host_ed25519_key`. */
export const privateHostKey = (directory: string): Promise<string> =>
  readFile(join(directory, "host_ed25519"), "utf8")
