// Whole machines that are broken in every way take from ten minutes to half an hour each: `npm run test:machines`.
const machines = ["test/xenHost/{dom0,rpm}.test.ts", "test/xenHost/sabotage/*.test.ts"]
const everythingElse = [
  "test/**/*.test.ts",
  "xlcfg/test/**/*.test.ts",
  ...machines.map(pattern => `!${pattern}`),
]

/** What takes longest is begun first: begun last, it would run alone on one of the two cores. */
const longest = ["test/xenHost/debian.test.ts", "test/xenHost/rpm.test.ts"]
const rank = file => longest.findIndex(name => file.endsWith(name)) + 1 || longest.length + 1

export default {
  files: process.env.TEST_GROUP === "machines" ? machines : everythingElse,
  extensions: { ts: "module" },
  sortTestFiles: (one, other) => rank(one) - rank(other) || one.localeCompare(other),
  // Processes, not threads: tests change their environment, measure their memory, and are killed whole.
  workerThreads: false,
  // Two cores: more at once only makes the machines that the tests boot slower.
  concurrency: 2,
  // Between two results; a machine of the lab that is built from nothing, in software, is what takes longest.
  timeout: "25m",
}
