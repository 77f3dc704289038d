// Machines that become Xen hosts and back take from twenty minutes to an hour: `npm run test:machines`.
const machines = "test/xenHost/{debian,dom0,rpm,sabotage}.test.ts"
const everythingElse = ["test/**/*.test.ts", "xlcfg/test/**/*.test.ts", `!${machines}`]

export default {
  files: process.env.TEST_GROUP === "machines" ? [machines] : everythingElse,
  extensions: { ts: "module" },
  // Processes, not threads: tests change their environment, measure their memory, and are killed whole.
  workerThreads: false,
  // Two cores: more at once only makes the machines that the tests boot slower.
  concurrency: 2,
  // Between two results; a machine of the lab that is built from nothing, in software, is what takes longest.
  timeout: "25m",
}
