import { createHash } from "node:crypto"
import { basename } from "node:path"

/**
 * The test files that boot machines, with the minutes that each takes where machines are emulated. Two at a time have one
 * (`machineTurn`, test/helpers/lab.ts).
 */
const machines = Object.entries({
  "xenHost/sabotage/boot": 22,
  "xenHost/debian": 15,
  "xenHost/rpm": 9,
  "xenHost/sabotage/network": 7,
  "xenHost/dom0": 6,
  "domains/killed": 6,
  "domains/swap": 6,
  "domains/unhealthy": 5,
  "domains/drift": 5,
  "unikernels/helloOnXen": 5,
  "xenHost/sabotage/packages": 5,
  "domains/scripts": 3,
  "domains/volume": 2,
  "lab/up": 3,
  "lab/rpm": 2,
  "lab/xen": 1,
})

/**
 * Where in the run a file is begun, from 0 to 1. The first two machines begin at once, each further one when there should be a
 * turn for it; all other files are strewn between them, so that no core waits for a machine's turn.
 */
const place = file => {
  const at = machines.findIndex(([name]) => file.endsWith(`/test/${name}.test.ts`))
  if (at < 0) return createHash("sha1").update(basename(file)).digest().readUInt32BE() / 2 ** 32
  const minutes = of => of.reduce((sum, [, each]) => sum + each, 0)
  return at < 2 ? 0 : minutes(machines.slice(0, at)) / minutes(machines)
}

export default {
  files: ["test/**/*.test.ts", "xlcfg/test/**/*.test.ts"],
  extensions: { ts: "module" },
  sortTestFiles: (one, other) => place(one) - place(other),
  // Processes, not threads: tests change their environment, measure their memory, and are killed whole.
  workerThreads: false,
  // Two machines, and one more for the two cores' idle moments.
  concurrency: 3,
  // Between two results; a machine of the lab that is built from nothing, in software, is what takes longest.
  timeout: "25m",
}
