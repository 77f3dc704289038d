import { execFile } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { xenMachine } from "../../../test/helpers/lab.ts"
import { put } from "../../../test/unikernels/support/domains.ts"
import { median, type Row } from "../row.ts"

const rounds = 7

/** In dom0, so that no ssh is in the time: milliseconds of `xl create`, then until the first HTTP answer, a line a round. */
const measure = `
cat > /root/bench.cfg <<'END'
name = 'bench'
kernel = '/root/hello.xen'
type = 'pvh'
memory = 32
vif = [ 'bridge=xenbr0,mac=00:16:3e:00:00:20' ]
extra = '--ipv4=10.0.2.20/24 --ipv4-gateway=10.0.2.2'
END
for round in $(seq ${rounds}); do
  # On a busy machine dom0 misses the time that libxl gives a hotplug script; such a round does not count.
  until start=$(date +%s%N); xl create -q /root/bench.cfg; do sleep 5; done
  created=$(date +%s%N)
  until curl -sf -m 1 -o /dev/null http://10.0.2.20/health; do :; done
  served=$(date +%s%N)
  echo $(( (created - start) / 1000000 )) $(( (served - start) / 1000000 ))
  xl destroy bench
done`

/** From `xl create` to hello's first HTTP answer, beside `xl create` alone. */
export async function helloRow(): Promise<Row> {
  const dist = await mkdtemp(join(tmpdir(), "hello-bench-"))
  try {
    const source = join(import.meta.dirname, "../../../unikernels/hello")
    await promisify(execFile)("make", ["--silent", "-C", source, `DIST=${dist}`])
    await using machine = await xenMachine()
    await put(machine, join(dist, "hello.xen"), "/root/hello.xen")
    const lines = (await machine.run(measure)).trim().split("\n")
    const times = lines.map(line => line.split(" ").map(Number))
    const [theirs, ours] = [
      median(times.map(([created]) => created!)),
      median(times.map(([, served]) => served!)),
    ]
    return {
      name: "hello: xl create to the first HTTP answer, beside xl create alone",
      ours,
      theirs,
      unit: "ms",
      ratio: ours / theirs,
      note: `median of ${rounds}`,
    }
  } finally {
    await rm(dist, { recursive: true })
  }
}
