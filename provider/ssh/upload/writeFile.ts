import { Secret } from "../../secret.ts"
import type { SshConnection } from "../connection.ts"
import type { Connection, WriteOptions } from "../contract.ts"
import { RemoteCommandError } from "../errors.ts"
import { explain, OPENING, PART_PREFIX, PART_SUFFIX, parsePlace, WRONG_SIZE } from "./place.ts"

/**
 * Puts a small file there in one round trip. The content travels on standard input; a connection that is cut
 * ends that input early, which the size gives away: a torn file never gets the name.
 */
export async function writeFile(
  connection: SshConnection,
  path: string,
  content: Parameters<Connection["writeFile"]>[1],
  { mode = 0o600, signal }: WriteOptions,
): Promise<void> {
  const place = parsePlace(connection.name, path)
  const stdin = Buffer.from(content instanceof Secret ? content.reveal() : content)
  const command = ["sh", "-c", WRITE, "sh", path, String(stdin.length), mode.toString(8)]
  try {
    await connection.run(command, { stdin, ...(signal ? { signal } : {}) })
  } catch (error) {
    throw error instanceof RemoteCommandError ? await explain(connection, place, stdin.length, error) : error
  }
}

const WRITE = `${OPENING}
umask 077
part=$(mktemp "$dir/${PART_PREFIX}XXXXXXXX${PART_SUFFIX}") || exit 1
trap 'rm -f "$part"' EXIT
trap 'exit 1' HUP INT TERM
cat >"$part" || exit 1
[ "$(wc -c <"$part")" -eq "$2" ] || exit ${WRONG_SIZE}
chmod "$3" "$part" || exit 1
sync "$part" && mv -f "$part" "$path" && sync "$dir"
`
