import { execFile } from "node:child_process"
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import test from "ava"
import { placeLanguageHost } from "../../scripts/languageHost.ts"

const run = promisify(execFile)

const projects = {
  "runtime:\n  name: nodejs\n  options:\n    typescript: false\n": "-typescript=false 127.0.0.1:1 a b",
  "runtime: { name: nodejs, options: { typescript: false } }\n": "-typescript=false 127.0.0.1:1 a b",
  "runtime:\n  name: nodejs\n  options:\n    typescript: true\n": "127.0.0.1:1 a b",
  "runtime: nodejs\n# typescript: false\n": "127.0.0.1:1 a b",
}

test("a built language host is told when a project needs no TypeScript, and only then", async t => {
  const folder = await mkdtemp(join(tmpdir(), "language-host-"))
  t.teardown(() => rm(folder, { recursive: true }))
  const [bin, project] = [join(folder, "bin"), join(folder, "project")]
  await Promise.all([mkdir(bin), mkdir(project)])
  const built = join(bin, ".new")
  await writeFile(built, '#!/bin/sh\necho "$@"\n')
  await chmod(built, 0o755)
  await placeLanguageHost(built, bin)
  const said = async () => {
    const { stdout } = await run(join(bin, "pulumi-language-nodejs"), ["127.0.0.1:1", "a b"], {
      cwd: project,
    })
    return stdout.trim()
  }
  t.is(await said(), "127.0.0.1:1 a b", "without a project's file")
  for (const [text, expected] of Object.entries(projects)) {
    await writeFile(join(project, "Pulumi.yaml"), text)
    t.is(await said(), expected, text)
  }
})
