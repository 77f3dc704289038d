import { posix } from "node:path"
import type { SshConnection } from "../connection.ts"
import { type RemoteCommandError, UploadError, type UploadFailure } from "../errors.ts"

/** Where a file is to lie. Its parts are made beside it: only within a file system is a rename atomic. */
export interface Place {
  path: string
  directory: string
}

/** @param host for the error of a path that names no file */
export function parsePlace(host: string, path: string): Place {
  if (!path.startsWith("/") || path.endsWith("/") || path.includes("\0")) {
    throw uploadError(host, "path", path)
  }
  return { path, directory: posix.dirname(path) }
}

/** Name of a file that is not whole yet. One that nobody has written to for an hour is swept away. */
export const PART_PREFIX = ".pulumi-xen-"
export const PART_SUFFIX = ".part"

/** Exit codes of the scripts here. */
export const NO_DIRECTORY = 80
export const IS_DIRECTORY = 81
export const WRONG_SIZE = 82
export const PART_GONE = 83
export const WRONG_DIGEST = 84

/** The shell's opening of every script here: \`$1\` is the path. */
export const OPENING = `
path=$1
dir=\${path%/*}; dir=\${dir:-/}
[ -d "$dir" ] || exit ${NO_DIRECTORY}
[ ! -d "$path" ] || exit ${IS_DIRECTORY}
`

const SENTENCES: Record<UploadFailure, string> = {
  path: "a file's path is absolute, and does not end in a slash",
  source: "the source cannot be read",
  "no-space": "the file system is full. Free some space there",
  permission: "the user may not write in its directory. Connect as root, or allow sudo",
  "read-only": "its file system is mounted read-only. Remount it, or choose another place",
  "no-directory": "its directory does not exist. Create it first",
  "is-directory": "there is a directory of that name. Give the name of a file",
  digest: "what arrived is not what was to be sent",
  unsupported: "the host offers no SFTP. Enable its subsystem in sshd_config",
  failed: "the host could not write it",
}

export function uploadError(
  host: string,
  kind: UploadFailure,
  path: string,
  detail = "",
  cause?: unknown,
): UploadError {
  const more = detail.trim() && ` (${detail.trim()})`
  return new UploadError(
    host,
    kind,
    path,
    `${JSON.stringify(path)} cannot be put on ${host}: ${SENTENCES[kind]}${more}`,
    {
      cause,
    },
  )
}

/** The reason why a script here failed, or why SFTP did, which says no more than "failure" about a full disk. */
export async function explain(
  connection: SshConnection,
  place: Place,
  size: number,
  failure: RemoteCommandError | Error,
): Promise<UploadError> {
  const exit = "exit" in failure ? failure.exit : undefined
  const said = "stderr" in failure ? failure.stderr : failure.message
  const known = KINDS.get(exit ?? 0)
  if (known) return uploadError(connection.name, known, place.path, "", failure)
  const answer = await connection.run([
    "sh",
    "-c",
    DIAGNOSE,
    "sh",
    place.directory,
    String(Math.ceil(size / 1024)),
  ])
  const kind = answer.stdout.trim() as UploadFailure
  return uploadError(connection.name, kind, place.path, kind === "failed" ? said : "", failure)
}

const KINDS = new Map<number, UploadFailure>([
  [NO_DIRECTORY, "no-directory"],
  [IS_DIRECTORY, "is-directory"],
  [WRONG_SIZE, "digest"],
])

/**
 * Why nothing can be written in a directory. The tools' own words are not looked at; the state of the file
 * system that makes them say so is: mounted read-only, not writable, fewer KiB free than wanted, no inode left.
 */
const DIAGNOSE = `
dir=$1
[ -d "$dir" ] || { echo no-directory; exit; }
df -Pk "$dir" | {
  read -r _
  read -r _ _ _ free _ point
  while read -r _ mounted _ options _; do
    [ "$mounted" != "$point" ] || last=$options
  done </proc/self/mounts
  case $last in ro | ro,*) echo read-only; exit ;; esac
  if ! [ -w "$dir" ] || ! [ -x "$dir" ]; then echo permission; exit; fi
  if [ "$free" -lt "$2" ]; then echo no-space; exit; fi
  inodes=$(df -Pi "$dir" 2>/dev/null | { read -r _; read -r _ _ _ left _; echo "$left"; })
  if [ "$inodes" = 0 ]; then echo no-space; else echo failed; fi
}
`
