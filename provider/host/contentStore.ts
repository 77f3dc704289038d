import { createHash } from "node:crypto"
import type { Command } from "../ssh/command.ts"
import { FILES_SH } from "./files.ts"
import { RECORDS } from "./records.ts"

/** What a host keeps under its own SHA-256. */
export type Collection = "kernels" | "disks"

/** A file lies in its collection under its digest: 64 hexadecimal digits. */
export function contentPath(collection: Collection, digest: string): string {
  return `${RECORDS}/${collection}/${digest}`
}

/** Answers `missing`, or the file's SHA-256. */
export function lookAtContent(collection: Collection, digest: string): Command {
  const script = 'if [ -e "$1" ]; then sha256sum < "$1"; else echo missing; fi'
  return ["sh", "-c", script, "sh", contentPath(collection, digest)]
}

export type Finding = { readonly found: "missing" } | { readonly found: "file"; readonly digest: string }

export function parseFinding(stdout: string): Finding {
  const word = stdout.trim().split(/\s+/)[0] ?? ""
  return /^[0-9a-f]{64}$/.test(word) ? { found: "file", digest: word } : { found: "missing" }
}

/** Several programs may use one file. Each leaves its mark, and the last one to go takes the file with it. */
function ownerMark(collection: Collection, digest: string, urn: string): string {
  const owner = createHash("sha256").update(urn).digest("hex").slice(0, 16)
  return `${RECORDS}/owners/${collection}/${digest}/${owner}`
}

/**
 * Makes the collection's folder, of this mode, and the mark in which a person can read whose the file is. The mark comes
 * before the file: whoever gives the same file up meanwhile leaves it.
 */
export function claimContent(collection: Collection, mode: number, digest: string, urn: string): Command {
  const script = `${FILES_SH}{ [ -d "$3" ] || mkdir -p -m "$4" -- "$3"; } && printf '%s\\n' "$2" | replace "$1" 644`
  const folder = `${RECORDS}/${collection}`
  return ["sh", "-c", script, "sh", ownerMark(collection, digest, urn), urn, folder, mode.toString(8)]
}

/**
 * Takes the mark away, and the file with it when no other mark, no generation of a domain in the store and no
 * running domain names it. Answers `removed`, `absent`, or `kept` with what uses it.
 * Under the host's lock: between the looking and the removing no domain may come to use it.
 */
export function releaseContent(collection: Collection, digest: string, urn: string): Command {
  const script = `
mark=$1 file=$2 store=$3 digest=$4
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
elif [ -e "$file" ]; then rm -f -- "$file" && echo removed
else echo absent
fi`
  const words = [ownerMark(collection, digest, urn), contentPath(collection, digest), RECORDS, digest]
  return ["sh", "-c", script, "sh", ...words]
}

/** What a release answered: the users that keep the file, each once; none when it is gone. */
export function parseRelease(stdout: string): readonly string[] {
  const [word, ...users] = stdout.trim().split(" ")
  return word === "kept" ? [...new Set(users)] : []
}
