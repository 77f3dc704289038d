import { PassThrough } from "node:stream"
import type { SshConnection } from "../connection.ts"
import type { RunResult } from "../contract.ts"
import { OPENING, PART_GONE, PART_PREFIX, PART_SUFFIX, type Place, WRONG_DIGEST } from "./place.ts"

/** What a host has of a file. */
export interface Found {
  /** `whole`: under its name and of its size, `part`: so much of it as an earlier attempt sent. */
  what: "whole" | "part"
  size: number
  sha256: string
}

/** An upload as its host sees it: what is there, what arrives, and what becomes of it. */
export class Arrival {
  readonly #connection: SshConnection
  readonly #place: Place
  readonly #mode: string
  readonly #signal: AbortSignal | undefined

  constructor(connection: SshConnection, place: Place, mode: number, signal: AbortSignal | undefined) {
    this.#connection = connection
    this.#place = place
    this.#mode = mode.toString(8)
    this.#signal = signal
  }

  /** A place of the login user's for a file of that name, where SFTP may write although the directory is root's. */
  async stage(name: string): Promise<string> {
    const { stdout } = await this.#connection.run(["sh", "-c", STAGE, "sh", name], {
      sudo: false,
      ...this.#options(),
    })
    return stdout.trim()
  }

  /** Looks for what is there already, and makes the part. */
  async prepare(part: string, size: number): Promise<Found> {
    const { stdout } = await this.#connection.run(this.#script(PREPARE, part, String(size)), this.#options())
    const [what, there, sha256 = ""] = stdout.trim().split(" ")
    return { what: what as Found["what"], size: Number(there), sha256 }
  }

  /** The file is as it should be: only its permissions may differ, and a part of it is left over. */
  async keep(part: string): Promise<void> {
    await this.#connection.run(this.#script(KEEP, part, this.#mode), this.#options())
  }

  /**
   * Accompanies what is written to `staged`, which becomes `part` when all has arrived, and then the file. It needs a
   * session of its own; where the host has none to spare, it begins when the one that writes has ended.
   */
  follow(staged: string, part: string): Follower {
    const feed = new PassThrough()
    const command = this.#script(FOLLOW, staged, part, this.#mode)
    const options = { stdin: feed, expect: [0, WRONG_DIGEST], ...this.#options() }
    return new Follower(feed, this.#connection.run(command, options))
  }

  #script(script: string, ...args: readonly string[]): readonly string[] {
    return ["sh", "-c", script, "sh", this.#place.path, ...args]
  }

  #options(): { signal?: AbortSignal } {
    return this.#signal ? { signal: this.#signal } : {}
  }
}

/** What arrived is not what was sent. */
export class WrongDigest extends Error {
  constructor(there: string, here: string) {
    super(`its SHA-256 is ${there} there, expected was ${here}; did the source change meanwhile?`)
  }
}

/** Bytes that are digested at once. */
const STRIDE = 8 * 1024 * 1024
/** Bytes that are read at once: what a pipe holds, and a processor's cache, too. */
const BLOCK = 64 * 1024

/**
 * The host's command that computes the digest of a part while more of it arrives, so that little is left to be done
 * when the last byte is there. Its standard input tells how far it may read, and ends early when the connection does;
 * then nothing is renamed.
 */
export class Follower {
  readonly #feed: PassThrough
  readonly #ended: Promise<RunResult>
  #arrived = 0
  #told = 0

  constructor(feed: PassThrough, ended: Promise<RunResult>) {
    this.#feed = feed
    this.#ended = ended
    // Whoever asks for the end is told of the failure; nobody may ask.
    ended.catch(() => {})
  }

  /** @param bytes from the beginning, without a gap */
  arrived(bytes: number): void {
    this.#arrived = bytes
    for (; this.#told + STRIDE <= bytes; this.#told += STRIDE) this.#feed.write("more\n")
  }

  /** All is there: gives it its name if this is its digest. Throws `WrongDigest`. */
  async conclude(sha256: string): Promise<void> {
    this.#feed.end(`end\n${this.#arrived} ${sha256}\n`)
    const { exit, stdout } = await this.#ended
    if (exit === WRONG_DIGEST) throw new WrongDigest(stdout.trim(), sha256)
  }

  /** Leaves what arrived as it is. Returns when nothing runs on the host any more. */
  async abandon(): Promise<void> {
    this.#feed.end()
    await this.#ended.catch(() => {})
  }
}

/** OpenSSL uses the processor's own instructions, and is four times as fast as coreutils where it is installed. */
const DIGEST = `
if command -v openssl >/dev/null; then sha256() { openssl dgst -sha256 -r | cut -c 1-64; }
else sha256() { sha256sum | cut -c 1-64; }; fi
`

/** A directory that only the login user can write to, in a place that survives a reboot; anyone may make files beside it. */
const STAGE = `
dir=/var/tmp/pulumi-xen-$(id -u)
mkdir -m 700 "$dir" 2>/dev/null
if [ -L "$dir" ] || ! [ -d "$dir" ] || ! [ -O "$dir" ]; then
  echo "$dir is not this user's own directory" >&2
  exit 1
fi
umask 077
: >>"$dir/$1" && echo "$dir/$1"
`

/**
 * Prints what is there under the name, when its size is the same, or else under the part's: its size and digest.
 * What others could have put under the part's name is no regular file or is not ours, and is removed; noclobber
 * makes the new one with O_EXCL, and \`true\`, unlike \`:\`, survives that somebody else made it just now; who may have renamed
 * it by the next look. \`head\` because somebody else may be adding to it.
 */
const PREPARE = `${OPENING}${DIGEST}
part=$2 size=$3
length() { wc -c <"$1" | tr -d ' '; }
if [ -L "$part" ] || { [ -e "$part" ] && ! [ -f "$part" ]; }; then rm -rf "$part"; fi
[ "\${part%/*}" != "$dir" ] || [ -O "$part" ] || rm -f "$part"
make() { [ -f "$part" ] || { umask 077; set -C; true >"$part"; } || [ -f "$part" ]; }
for attempt in 1 2 3 4 5 6 7 8 9; do make 2>/dev/null && break; done
make || exit 1
if [ -f "$path" ] && [ "$(length "$path")" = "$size" ]; then
  echo "whole $size $(sha256 <"$path")"
  exit
fi
there=$(length "$part")
if [ "$there" -gt "$size" ]; then rm -f "$part"; exit ${PART_GONE}; fi
echo "part $there $(head -c "$there" "$part" | sha256)"
`

const KEEP = `${OPENING}
rm -f "$2"; chmod "$3" "$path"
`

/**
 * Reads through one descriptor from beginning to end, so that the digest is of one file, and gives the name to that
 * file alone: by now somebody who sends the same may have renamed the part, and begun another. What is staged is
 * digested once more where it comes to lie. It is synced once, at the end: where others keep the disk busy, each sync
 * waits for them. Parts that nobody has written to for an hour belong to nobody any more.
 */
const FOLLOW = `${OPENING}${DIGEST}
staged=$2 part=$3 mode=$4 file=/proc/self/fd/3
[ -f "$staged" ] && command exec 3<"$staged" || exit ${PART_GONE}
arriving() {
  while read -r word; do
    case $word in
      more) dd bs=${BLOCK} count=${STRIDE / BLOCK} <&3 2>/dev/null || return ;;
      end) cat <&3; return ;;
    esac
  done
  return 1
}
set -- $({ { arriving; echo $? >&4; } | sha256; } 4>&1)
[ "$1" = 0 ] && read -r size expected || exit 1
[ "$(wc -c <$file)" -eq "$size" ] || exit ${PART_GONE}
[ "$2" = "$expected" ] || { echo "$2"; exit ${WRONG_DIGEST}; }
if [ "$staged" != "$part" ]; then
  rm -f "$part" && cp $file "$part" && exec 3<"$part" || exit 1
  there=$(sha256 <$file)
  [ "$there" = "$expected" ] || { echo "$there"; exit ${WRONG_DIGEST}; }
fi
chmod "$mode" $file && sync $file || exit 1
[ "$part" -ef $file ] && mv -f "$part" "$path" || { [ "$part" -ef $file ] && exit 1 || exit ${PART_GONE}; }
sync "$dir" || exit 1
[ "$staged" = "$part" ] || rm -f "$staged"
find "$dir" -maxdepth 1 -name '${PART_PREFIX}*${PART_SUFFIX}' -mmin +60 -exec rm -f {} + 2>/dev/null
exit 0
`
