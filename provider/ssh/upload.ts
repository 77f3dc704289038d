import { createHash } from "node:crypto"
import type { SshConnection } from "./connection.ts"
import type { UploadOptions, UploadResult, UploadSource } from "./contract.ts"
import { AbortedError, ConnectionLostError, RemoteCommandError, SshError } from "./errors.ts"
import type { Link } from "./link.ts"
import {
  explain,
  OPENING,
  PART_GONE,
  PART_PREFIX,
  PART_SUFFIX,
  type Place,
  parsePlace,
  RENAME,
  uploadError,
} from "./place.ts"
import { NO_SUCH_FILE, SftpError, SftpSession } from "./sftpSession.ts"
import { digest, openSource, type Source } from "./source.ts"
import { transfer } from "./transfer.ts"

/** How many attempts in a row may end without a byte more on the host. */
const FRUITLESS = 3

/**
 * Sends a file aside, has the host compute its digest, and only then gives it its name. The part is named after
 * what is sent and where to: whoever sends the same again, after a lost connection or a kill, goes on where it
 * ended, and two who send the same at once write the same bytes. A part is believed by the digest of what is there,
 * not by its size.
 */
export async function upload(
  connection: SshConnection,
  from: UploadSource,
  path: string,
  options: UploadOptions,
): Promise<UploadResult> {
  const place = parsePlace(connection.name, path)
  const source = await openSource(connection.name, from, path)
  const sending = new Sending(connection, source, place, options)
  let fruitless = 0
  for (;;) {
    const before = sending.bytes
    try {
      await sending.attempt()
      return { bytes: sending.bytes, size: source.size, sha256: await sending.sha256() }
    } catch (error) {
      fruitless = sending.bytes > before ? 0 : fruitless + 1
      const passing = error instanceof ConnectionLostError || isGone(error)
      if (passing && fruitless < FRUITLESS && !options.signal?.aborted) continue
      throw await sending.abandon(error)
    }
  }
}

/** Another process sent the same and was first: it has renamed the part that both wrote. */
function isGone(error: unknown): boolean {
  if (error instanceof SftpError) return error.status === NO_SUCH_FILE
  return error instanceof RemoteCommandError && error.exit === PART_GONE
}

class WrongDigest extends Error {
  constructor(there: string, here: string) {
    super(`its SHA-256 is ${there} there, expected was ${here}; did the source change meanwhile?`)
  }
}

class Sending {
  /** Sent and acknowledged, over all attempts. */
  bytes = 0
  readonly #connection: SshConnection
  readonly #source: Source
  readonly #place: Place
  readonly #mode: string
  readonly #options: UploadOptions
  /** Beside the path, where it is renamed from. */
  readonly #part: string
  /** Where SFTP, which is the login user's, may write: the part itself, or with sudo a place of that user's. */
  #target: string
  #digest: Promise<string> | undefined

  constructor(connection: SshConnection, source: Source, place: Place, options: UploadOptions) {
    this.#connection = connection
    this.#source = source
    this.#place = place
    this.#mode = (options.mode ?? 0o644).toString(8)
    this.#options = options
    const id = createHash("sha256").update(`${source.identity} ${place.path}`).digest("hex").slice(0, 16)
    this.#part = `${place.directory === "/" ? "" : place.directory}/${PART_PREFIX}${id}${PART_SUFFIX}`
    this.#target = this.#part
  }

  /** What the file must have. Computed where it was not said, and only when it is needed. */
  sha256(): Promise<string> {
    this.#digest ??= this.#options.sha256
      ? Promise.resolve(this.#options.sha256.toLowerCase())
      : digest(this.#source)
    return this.#digest
  }

  async attempt(): Promise<void> {
    const doing = `uploading ${this.#place.path}`
    const link = await this.#connection.link(this.#options.signal, doing)
    const elevated = (await this.#connection.elevation(link, undefined)) !== "none"
    if (elevated) this.#target = await this.#stage()
    const start = await this.#prepare()
    if (start === "have") {
      await this.#script(KEEP, [this.#target, this.#mode])
      return
    }
    await this.#send(link, start, doing)
    // Both ends compute it at the same time.
    const [there, here] = await Promise.all([
      this.#script(CHECK, [this.#target, this.#part, this.#mode]),
      this.sha256(),
    ])
    if (there.trim() !== here) throw new WrongDigest(there.trim(), here)
    await this.#script(FINISH, [this.#target, this.#part])
  }

  /** Leaves nothing behind, where the host can still be reached, and says what went wrong. */
  async abandon(error: unknown): Promise<unknown> {
    if (error instanceof ConnectionLostError) return error
    const { signal } = this.#options
    const parts = [this.#part, this.#target]
    await this.#connection.run(["rm", "-f", ...parts], { timeout: 10_000 }).catch(() => {})
    const path = this.#place.path
    if (signal?.aborted) return new AbortedError(this.#connection.name, `uploading ${path}`, true)
    if (error instanceof WrongDigest) return uploadError(this.#connection.name, "digest", path, error.message)
    if (error instanceof RemoteCommandError || error instanceof SftpError) {
      return explain(this.#connection, this.#place, this.#source.size, error)
    }
    return error
  }

  /** Finds what is there already, and makes the part. */
  async #prepare(): Promise<number | "have"> {
    const answer = await this.#script(PREPARE, [this.#target, String(this.#source.size)])
    const [what, size, sum] = answer.trim().split(" ")
    if (what === "file" && sum === (await this.sha256())) return "have"
    const there = Number(size)
    if (what === "part") return there > 0 && sum === (await digest(this.#source, there)) ? there : 0
    return 0
  }

  async #send(link: Link, start: number, doing: string): Promise<void> {
    const { signal, onProgress } = this.#options
    const total = this.#source.size
    let acknowledged = start
    onProgress?.(acknowledged, total)
    const session = await link
      .sftp(doing, sftp => new SftpSession(sftp), signal)
      .catch(error => {
        const refused = error instanceof SshError && !(error instanceof ConnectionLostError)
        throw refused ? uploadError(link.name, "unsupported", this.#place.path, error.message, error) : error
      })
    const onAbort = (): void => session.end(new Error("The upload was cancelled"))
    signal?.addEventListener("abort", onAbort, { once: true })
    try {
      await transfer(session, this.#source, this.#target, start, bytes => {
        this.bytes += bytes
        acknowledged += bytes
        onProgress?.(acknowledged, total)
      })
    } catch (error) {
      throw link.lost === undefined ? error : link.lostError(doing, true)
    } finally {
      signal?.removeEventListener("abort", onAbort)
      session.end(new Error("The upload is over"))
    }
  }

  async #stage(): Promise<string> {
    const { signal } = this.#options
    const name = this.#part.slice(this.#part.lastIndexOf("/") + 1)
    const command = ["sh", "-c", STAGE, "sh", name]
    const answer = await this.#connection.run(command, { sudo: false, ...(signal ? { signal } : {}) })
    return answer.stdout.trim()
  }

  async #script(script: string, args: readonly string[]): Promise<string> {
    const { signal } = this.#options
    const command = ["sh", "-c", script, "sh", this.#place.path, ...args]
    return (await this.#connection.run(command, signal ? { signal } : {})).stdout
  }
}

/** OpenSSL uses the processor's own instructions, and is four times as fast as coreutils where it is installed. */
const DIGEST = `
if command -v openssl >/dev/null; then sha256() { openssl dgst -sha256 -r | cut -c 1-64; }
else sha256() { sha256sum | cut -c 1-64; }; fi
`

/**
 * Prints what is there under the name, when its size is the same, or else under the part's: its size and digest.
 * What others could have put under the part's name is no regular file or is not ours, and is removed; noclobber
 * makes the new one with O_EXCL. \`head\` because somebody else may be adding to it.
 */
const PREPARE = `${OPENING}${DIGEST}
part=$2 size=$3
length() { wc -c <"$1" | tr -d ' '; }
if [ -L "$part" ] || { [ -e "$part" ] && ! [ -f "$part" ]; }; then rm -rf "$part"; fi
[ "\${part%/*}" != "$dir" ] || [ -O "$part" ] || rm -f "$part"
[ -f "$part" ] || { umask 077; set -C; : >"$part"; } || [ -f "$part" ] || exit 1
if [ -f "$path" ] && [ "$(length "$path")" = "$size" ]; then
  echo "file $size $(sha256 <"$path")"
  exit
fi
there=$(length "$part")
if [ "$there" -gt "$size" ]; then rm -f "$part"; exit ${PART_GONE}; fi
echo "part $there $(head -c "$there" "$part" | sha256)"
`

/** The file is as it should be: only its permissions may differ, and a part of it is left over. */
const KEEP = `${OPENING}
rm -f "$2"; chmod "$3" "$path"
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

/** The digest is taken of the part in its own place, while its data goes to the disk. */
const CHECK = `${OPENING}${DIGEST}
staged=$2 part=$3 mode=$4
[ -f "$staged" ] || exit ${PART_GONE}
if [ "$staged" != "$part" ]; then
  rm -f "$part" && cp "$staged" "$part" || exit 1
fi
chmod "$mode" "$part" || exit 1
sync "$part" &
sha256 <"$part"
wait $!
`

/** Parts that nobody has written to for an hour belong to nobody any more. */
const FINISH = `${OPENING}
staged=$2 part=$3
[ -f "$part" ] || exit ${PART_GONE}
${RENAME} || exit 1
[ "$staged" = "$part" ] || rm -f "$staged"
find "$dir" -maxdepth 1 -name '${PART_PREFIX}*${PART_SUFFIX}' -mmin +60 -exec rm -f {} + 2>/dev/null
exit 0
`
