import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import test from "ava"
import { make, newFolder, removeFolder } from "./support/build.ts"
import type { Outcome } from "./support/requests.ts"

const run = promisify(execFile)
let dist: string

test.before(async () => {
  dist = await newFolder()
  await make("posix", dist)
})

test.after.always(() => removeFolder(dist))

/**
 * Linux's own TCP against the unikernel's, on a tap device in a network namespace of their own. The wire between them
 * loses, repeats, reorders and damages `percent` of the frames each, both ways. All of it ends with the shell.
 */
async function requests(percent: number, total: number, connection: "keep" | "close"): Promise<Outcome> {
  const script = `
    ip tuntap add dev wire0 mode tap
    ip address add 10.0.0.1/24 dev wire0
    ip link set wire0 up
    "$1" wire0 "$2" "$3" --ipv4=10.0.0.2/24 --ipv4-gateway=10.0.0.1 2>/dev/null &
    "$4" "$5" http://10.0.0.2/health "$6" 10 "$7"`
  const load = join(import.meta.dirname, "support/load.ts")
  const words = [join(dist, "wire"), percent, 7 + percent, process.execPath, load, total, connection].map(
    String,
  )
  const namespaces = ["--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
  const { stdout } = await run("unshare", [...namespaces, "sh", "-euc", script, "sh", ...words])
  return JSON.parse(stdout)
}

const cases: [number, number, "keep" | "close"][] = [
  [0, 2000, "close"],
  [0, 2000, "keep"],
  [3, 300, "close"],
  [3, 300, "keep"],
  [10, 100, "close"],
  // hello closes a connection on which it has heard nothing for a minute, as any server may. Of ten bad frames in a hundred
  // a request is lost for so long once in fifty times, of six once in thousands.
  [6, 150, "keep"],
]

for (const [percent, total, connection] of cases) {
  const each = connection === "keep" ? "kept-alive connections" : "a connection each"
  test.serial(`Linux loses no request of ${total} over ${each} with ${percent} % bad frames`, async t => {
    const { failed } = await requests(percent, total, connection)
    t.deepEqual(failed, [])
  })
}
