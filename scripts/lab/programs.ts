import { existsSync } from "node:fs"
import { access, constants } from "node:fs/promises"
import { delimiter, join } from "node:path"
import { LabError } from "./errors.ts"

/** The Debian package of each program, or file, that the lab needs on this machine. */
export const programs = {
  "qemu-system-x86_64": "qemu-system-x86",
  "qemu-img": "qemu-utils",
  mmdebstrap: "mmdebstrap",
  mke2fs: "e2fsprogs",
  sfdisk: "fdisk",
  "grub-mkimage": "grub-common",
  "/usr/lib/grub/i386-pc/boot.img": "grub-pc-bin",
  ssh: "openssh-client",
  "ssh-keygen": "openssh-client",
  flock: "util-linux",
  setpriv: "util-linux",
  fakeroot: "fakeroot",
  newuidmap: "uidmap",
  tar: "tar",
} as const

/** Those that only the flavour `rpm` needs: they turn Debian's packages into a signed RPM repository. */
export const rpmPrograms = {
  rpmbuild: "rpm",
  rpmsign: "rpm",
  createrepo_c: "createrepo-c",
  "dpkg-deb": "dpkg",
  gpg: "gnupg",
} as const

/** The Debian packages whose programs are missing here, sorted; `[]` when the lab can run. */
export async function missingPackages(needed: Record<string, string> = { ...programs, ...rpmPrograms }) {
  const found = await Promise.all(Object.keys(needed).map(isThere))
  const missing = Object.values(needed).filter((_, index) => !found[index])
  return [...new Set(missing)].sort()
}

/** Throws one sentence with the command that installs what is missing. */
export async function requirePrograms(needed: Record<string, string>): Promise<void> {
  const missing = await missingPackages(needed)
  if (missing.length > 0) {
    throw new LabError(
      "run the lab",
      `programs of ${missing.join(", ")} are missing`,
      `Run: apt-get install ${missing.join(" ")}`,
    )
  }
}

/** Whether a program can be run, or, by an absolute path, a file exists. */
export async function isThere(program: string): Promise<boolean> {
  if (program.startsWith("/")) return existsSync(program)
  // Users other than root often have no sbin in PATH, and mke2fs and sfdisk live there.
  const directories = (process.env.PATH ?? "").split(delimiter).concat("/usr/sbin", "/sbin")
  const found = directories.map(directory =>
    access(join(directory, program), constants.X_OK).then(
      () => true,
      () => false,
    ),
  )
  return (await Promise.all(found)).includes(true)
}
