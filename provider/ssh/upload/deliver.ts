import { PassThrough } from "node:stream"
import type { SshConnection } from "../connection.ts"
import { WrongDigest } from "./arrival.ts"
import { OPENING, PART_GONE, PART_PREFIX, PART_SUFFIX, type Place, WRONG_DIGEST } from "./place.ts"
import { disposable, type Source } from "./source.ts"

/** Bytes up to which a file is cheaper sent anew than in parts that a later attempt could take up. */
export const SMALL = 256 * 1024

/**
 * Brings a small file in one command, which asks for the content only where it is not there already. Cut off, it leaves
 * nothing, and is begun anew.
 *
 * @returns bytes that were sent
 */
export async function deliver(
  connection: SshConnection,
  source: Source,
  place: Place,
  {
    sha256,
    mode = 0o644,
    signal,
  }: { sha256: string; mode: number | undefined; signal: AbortSignal | undefined },
): Promise<number> {
  const content = Buffer.alloc(source.size)
  {
    await using reader = disposable(await source.open())
    for (let offset = 0; offset < content.length; ) {
      const read = await reader.read(content.subarray(offset), offset)
      if (read === 0) break
      offset += read
    }
  }
  const feed = new PassThrough()
  let sent = 0
  const answer = (line: string): void => {
    if (line !== "send") return
    sent = content.length
    feed.end(content)
  }
  const words = [place.path, mode.toString(8), String(content.length), sha256]
  const { exit, stdout } = await connection.run(["sh", "-c", DELIVER, "sh", ...words], {
    stdin: feed,
    onLine: answer,
    expect: [0, WRONG_DIGEST],
    ...(signal ? { signal } : {}),
  })
  if (exit === WRONG_DIGEST) throw new WrongDigest(stdout.trim().split("\n").at(-1) ?? "", sha256)
  return sent
}

/** A part that nobody has written to for an hour belongs to nobody any more. What was cut off is no part. */
const DELIVER = `${OPENING}
mode=$2 size=$3 sha256=$4
digest() { digest=$(sha256sum <"$1") && digest=\${digest%% *}; }
if [ -f "$path" ] && digest "$path" && [ "$digest" = "$sha256" ]; then chmod "$mode" "$path"; exit; fi
for old in "$dir/${PART_PREFIX}"*${PART_SUFFIX}; do
  [ ! -e "$old" ] || find "$dir" -maxdepth 1 -name '${PART_PREFIX}*${PART_SUFFIX}' -mmin +60 -exec rm -f {} + 2>/dev/null
  break
done
umask 077
part=$(mktemp "$dir/${PART_PREFIX}XXXXXXXX${PART_SUFFIX}") || exit 1
trap '[ ! -e "$part" ] || rm -f "$part"' EXIT
trap 'exit 1' HUP INT TERM
echo send
cat >"$part" && digest "$part" || exit 1
if [ "$digest" != "$sha256" ]; then
  [ "$(wc -c <"$part")" -eq "$size" ] || exit ${PART_GONE}
  echo "$digest"
  exit ${WRONG_DIGEST}
fi
chmod "$mode" "$part" && sync "$part" && mv -f "$part" "$path" && sync "$dir"
`
