import { createHash } from "node:crypto"
import { basename } from "node:path"

/**
 * The test files that boot machines, with the minutes that each takes where machines are emulated. Two at a time have one
 * (`machineTurn`, test/helpers/lab.ts).
 */
const machines = Object.entries({
  "xenHost/rpm": 13,
  "xenHost/sabotage/boot": 18,
  "xenHost/debian": 14,
  "xenHost/dom0": 9,
  "xenHost/sabotage/packages": 6,
  "xenHost/sabotage/network": 8,
  "domains/killed": 8,
  "domains/swap": 7,
  "domains/unhealthy": 7,
  "domains/scripts": 4,
  "unikernels/helloOnXen": 6,
  "domains/drift": 7,
  "lab/rpm": 3,
  "lab/up": 3,
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
