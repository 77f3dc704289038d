import { execFile } from "node:child_process"
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import test from "ava"
import { placeLanguageHost, renewLanguageHost } from "../../scripts/languageHost.ts"

const run = promisify(execFile)

const projects = {
  "runtime:\n  name: nodejs\n  options:\n    typescript: false\n": "-typescript=false 127.0.0.1:1 a b",
  "runtime: { name: nodejs, options: { typescript: false } }\n": "-typescript=false 127.0.0.1:1 a b",
  "runtime:\n  name: nodejs\n  options:\n    typescript: true\n": "127.0.0.1:1 a b",
  "runtime:\n  name: nodejs\n  options:\n    nodeargs: --require ./a.cjs\n":
    "-nodeargs=--require ./a.cjs 127.0.0.1:1 a b",
  '{"runtime": {"name": "nodejs", "options": {"typescript": false, "nodeargs": "--no-warnings -r ./a.cjs"}}}\n':
    "-typescript=false -nodeargs=--no-warnings -r ./a.cjs 127.0.0.1:1 a b",
  "runtime: nodejs\n# typescript: false\n": "127.0.0.1:1 a b",
}

test("a built language host is told what a project says of Node and of TypeScript, and nothing else", async t => {
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
  await writeFile(join(bin, "pulumi-language-nodejs"), "#!/bin/sh\necho of an earlier state\n")
  await renewLanguageHost(bin)
  t.is(await said(), "127.0.0.1:1 a b", "without a project's file")
  for (const [text, expected] of Object.entries(projects)) {
    await writeFile(join(project, "Pulumi.yaml"), text)
    t.is(await said(), expected, text)
  }
})
