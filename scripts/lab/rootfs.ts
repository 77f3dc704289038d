import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { type Flavour, treeDirectory } from "./flavours.ts"
import { servePackages } from "./packages.ts"
import { alone, run, shellWord } from "./run.ts"

/**
 * Makes the flavour's root file system in `work` and returns its tar file. As root or, through user name
 * spaces, without; the packages come through the lab's cache. The keys of `keys` are those it will answer to.
 */
export async function buildRootfs(flavour: Flavour, keys: string, work: string): Promise<string> {
  await using server = await servePackages()
  const overlay = await overlayArchive(flavour, keys, work)
  const tar = join(work, "rootfs.tar")
  await run(
    "make the Debian root file system",
    alone([
      ...[
        "mmdebstrap",
        "--variant=minbase",
        "--architectures=amd64",
        `--include=${flavour.packages.join(",")}`,
      ],
      ...[
        `--customize-hook=tar-in ${overlay} /`,
        `--customize-hook=chroot "$1" sh -eu -c ${shellWord(flavour.setup)}`,
        ...repositoryHooks(flavour, work),
      ],
      ...["bookworm", tar],
      `deb ${server.url}/debian bookworm main`,
      `deb ${server.url}/debian bookworm-updates main`,
      `deb ${server.url}/debian-security bookworm-security main`,
    ]),
    // Root's half-made tree is swept away with `work`. Others' is made by a mapped user, who may not enter here.
    process.getuid?.() === 0 ? { env: { TMPDIR: work } } : {},
  )
  return tar
}

/** Where the root file system's build leaves the packages of `flavour.repository`. */
export const debsDirectory = (work: string): string => join(work, "debs")

/** apt knows best what a package needs beyond what this root file system has: it downloads just that. */
function repositoryHooks({ repository }: Flavour, work: string): string[] {
  if (!repository) return []
  const download = "apt-get install --download-only --no-install-recommends --yes"
  return [
    `--customize-hook=chroot "$1" ${download} ${repository.join(" ")}`,
    `--customize-hook=sync-out /var/cache/apt/archives ${debsDirectory(work)}`,
  ]
}

/** The flavour's own files and the keys, owned by root, as a tar file that is unpacked over the root. */
async function overlayArchive(flavour: Flavour, keys: string, work: string): Promise<string> {
  const directory = join(work, "overlay")
  for (const part of ["root/.ssh", "etc/ssh"])
    await mkdir(join(directory, part), { recursive: true, mode: 0o755 })
  const install = (mode: string, from: string, to: string) =>
    run(`lay out ${to}`, ["install", "-m", mode, from, join(directory, to)])
  for (const tree of flavour.trees) {
    await run(`copy ${tree}`, ["cp", "-rT", "--preserve=mode,links", treeDirectory(tree), directory])
  }
  // Whatever umask the checkout was made with.
  await run("set the files' modes", ["chmod", "-R", "u=rwX,go=rX", directory])
  await run("lay out /root/.ssh", ["chmod", "700", join(directory, "root"), join(directory, "root/.ssh")])
  await install("600", join(keys, "id_ed25519.pub"), "root/.ssh/authorized_keys")
  await install("600", join(keys, "host_ed25519"), "etc/ssh/ssh_host_ed25519_key")
  await install("644", join(keys, "host_ed25519.pub"), "etc/ssh/ssh_host_ed25519_key.pub")
  const archive = join(work, "overlay.tar")
  await run("pack the flavour's files", [
    ...["tar", "--create", "--file", archive, "--owner=0", "--group=0", "--directory", directory, "."],
  ])
  return archive
}
