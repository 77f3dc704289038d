import { createHash } from "node:crypto"
import type { Command } from "../ssh/command.ts"

/** Everything that the project keeps on a host. */
export const storeDirectory = "/var/lib/pulumi-xen"

/** A kernel lies in the store under the SHA-256 of its unpacked image. `digest` is 64 hexadecimal digits. */
export function kernelPath(digest: string): string {
  return `${storeDirectory}/kernels/${digest}`
}

/** Makes the kernel store; domains' kernels are no secret, and xl must be able to read them. */
export const prepareKernels: Command = [
  "mkdir",
  "-p",
  "--",
  `${storeDirectory}/kernels`,
  `${storeDirectory}/owners/kernels`,
]

/** Answers `missing`, or the file's SHA-256. */
export function lookAtKernel(digest: string): Command {
  const script = 'if [ -e "$1" ]; then sha256sum < "$1"; else echo missing; fi'
  return ["sh", "-c", script, "sh", kernelPath(digest)]
}

export type KernelFinding =
  | { readonly found: "missing" }
  | { readonly found: "file"; readonly digest: string }

export function parseKernelFinding(stdout: string): KernelFinding {
  const word = stdout.trim().split(/\s+/)[0] ?? ""
  return /^[0-9a-f]{64}$/.test(word) ? { found: "file", digest: word } : { found: "missing" }
}

/** Several programs may use one kernel. Each leaves its mark, and the last one to go takes the file with it. */
function ownerMark(digest: string, urn: string): string {
  const owner = createHash("sha256").update(urn).digest("hex").slice(0, 16)
  return `${storeDirectory}/owners/kernels/${digest}/${owner}`
}

/** Writes the URN into the mark, aside and renamed, so that a person can read whose kernel it is. */
export function claimKernel(digest: string, urn: string): Command {
  const script = 'mkdir -p -- "${1%/*}" && printf "%s\\n" "$2" > "$1.new" && mv -f -- "$1.new" "$1"'
  return ["sh", "-c", script, "sh", ownerMark(digest, urn), urn]
}

/**
 * Takes the mark away, and the kernel with it when no other mark, no generation of a domain in the store and no
 * running domain names it. Answers `removed`, `absent`, or `kept` with what uses it.
 * Under the host's lock: between the looking and the removing no domain may come to use it.
 */
export function releaseKernel(digest: string, urn: string): Command {
  const script = `
mark=$1 kernel=$2 store=$3 digest=$4
mkdir -p -- "$store"
exec 9> "$store/lock"
flock -w 60 9 || { echo "another change holds $store/lock" >&2; exit 75; }
rm -f -- "$mark"
rmdir -- "\${mark%/*}" 2> /dev/null
users=
for other in "\${mark%/*}"/*; do
  [ -f "$other" ] && users="$users resource:$(cat -- "$other")"
done
for config in "$store"/domains/*/*.cfg; do
  [ -f "$config" ] && grep -qF -- "$digest" "$config" && users="$users domain:$(basename -- "$(dirname -- "$config")")"
done
if command -v xl > /dev/null && xl list -l 2> /dev/null | grep -qF -- "$digest"; then users="$users running-domain"; fi
if [ -n "$users" ]; then echo "kept$users"
elif [ -e "$kernel" ]; then rm -f -- "$kernel" && echo removed
else echo absent
fi`
  return ["sh", "-c", script, "sh", ownerMark(digest, urn), kernelPath(digest), storeDirectory, digest]
}

/** What a release answered: the users that keep the kernel, none when it is gone. */
export function parseRelease(stdout: string): readonly string[] {
  const [word, ...users] = stdout.trim().split(" ")
  return word === "kept" ? users : []
}
