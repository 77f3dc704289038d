export default {
  files: ["test/**/*.test.ts", "xlcfg/test/**/*.test.ts", "unikernels/**/*.test.ts"],
  extensions: { ts: "module" },
  // Two cores: more workers only make the machines that the tests boot slower.
  concurrency: 2,
  timeout: "15m",
}
