export default {
  files: ["test/**/*.test.ts", "xlcfg/test/**/*.test.ts"],
  extensions: { ts: "module" },
  // Processes, not threads: tests change their environment, measure their memory, and are killed whole.
  workerThreads: false,
  // Two cores: more at once only makes the machines that the tests boot slower.
  concurrency: 2,
  // Between two results; a machine of the lab that is built from nothing, in software, is what takes longest.
  timeout: "25m",
}
