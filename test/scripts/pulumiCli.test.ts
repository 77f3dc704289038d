import { spawn } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test from "ava"

test("a machine without Go and without a network is told what is missing for the Pulumi CLI", async t => {
  const folder = await mkdtemp(join(tmpdir(), "no-pulumi-"))
  t.teardown(() => rm(folder, { recursive: true }))
  const script = new URL("../../scripts/pulumi-cli.ts", import.meta.url).pathname
  const root = new URL("../..", import.meta.url).pathname
  // A network namespace of its own, with nothing in it, and no folder of Go's in PATH.
  const child = spawn("unshare", ["--net", process.execPath, script], {
    cwd: root,
    env: {
      PATH: `${root}node_modules/.bin:/usr/bin:/bin`,
      HOME: folder,
      PULUMI_HOME: join(folder, "pulumi"),
    },
  })
  let errors = ""
  child.stderr.on("data", chunk => {
    errors += chunk
  })
  const code = await new Promise(done => child.once("close", done))
  t.is(code, 1)
  t.regex(
    errors,
    /^Pulumi CLI 3\.\d+\.\d+ is not in \S+, Pulumi's site does not give it \(.+\), and there is no Go to build it with\. Install Go/,
  )
})
