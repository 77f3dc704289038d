import { createHash } from "node:crypto"
import { basename } from "node:path"
import { early, first, laterMachines, laterOthers } from "./scripts/test/files.ts"

// `npm test` (scripts/test.ts) runs the later ones when all others are done; who runs ava alone runs what is asked for.
const isFirst = process.env.TEST_PHASE === "first"
const later = isFirst ? Object.keys({ ...laterMachines, ...laterOthers }) : []
const machines = Object.entries(isFirst ? first : { ...first, ...laterMachines })

/**
 * Where in the run a file is begun, from 0 to 1. The first two machines begin at once, each further one when there should be a
 * turn for it; all other files are strewn between them, so that no core waits for a machine's turn.
 */
const place = file => {
  const is = name => file.endsWith(`/test/${name}.test.ts`)
  if (early.some(is)) return 0
  const at = machines.findIndex(([name]) => is(name))
  if (at < 0) return createHash("sha1").update(basename(file)).digest().readUInt32BE() / 2 ** 32
  const minutes = of => of.reduce((sum, [, each]) => sum + each, 0)
  return at < 2 ? 0 : minutes(machines.slice(0, at)) / minutes(machines)
}

export default {
  files: ["test/**/*.test.ts", "xlcfg/test/**/*.test.ts", ...later.map(name => `!test/${name}.test.ts`)],
  extensions: { ts: "module" },
  sortTestFiles: (one, other) => place(one) - place(other),
  // Processes, not threads: tests change their environment, measure their memory, and are killed whole.
  workerThreads: false,
  // Two machines, and one more for the two cores' idle moments.
  concurrency: 3,
  // Between two results; a machine of the lab that is built from nothing, in software, is what takes longest.
  timeout: "25m",
}
