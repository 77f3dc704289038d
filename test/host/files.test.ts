import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import anyTest, { type TestFn } from "ava"
import { FILES_SH, replaceFile } from "../../provider/host/files.ts"
import { exec } from "./helpers/run.ts"

const test = anyTest as TestFn<{ directory: string }>

test.beforeEach(async t => {
  t.context.directory = await mkdtemp(join(tmpdir(), "files-"))
})
test.afterEach.always(t => rm(t.context.directory, { recursive: true, force: true }))

const OLD = "the old content\n"
const NEW = "the new content, which is longer\n"

/** Writes NEW over `path`, of which `stdin` arrives. */
const replace = (path: string, stdin: string, shell: readonly string[] = ["sh"]) =>
  exec([...shell, ...replaceFile(path, 0o640, Buffer.byteLength(NEW)).slice(1)], { stdin })

for (const shell of [["dash"], ["bash", "--posix"], ["busybox", "sh"]])
  test(`${shell.join(" ")}: a file is replaced with its mode, its directory is made, and nothing else is left`, async t => {
    const directory = join(t.context.directory, "not yet/there")
    const path = join(directory, "a file")
    for (const content of [NEW, NEW]) t.is((await replace(path, content, shell)).exit, 0)
    t.is(await readFile(path, "utf8"), NEW)
    t.is((await stat(path)).mode & 0o777, 0o640)
    t.deepEqual(await readdir(directory), ["a file"])
  })

test("whoever may read the file may read the directory that was made for it, whatever the umask", async t => {
  const path = join(t.context.directory, "eth0.network.d/vlan.conf")
  const { exit } = await replace(path, NEW, ["sh", "-c", 'umask 077 && exec "$@"', "sh", "sh"])
  t.is(exit, 0)
  t.is((await stat(join(path, ".."))).mode & 0o777, 0o755)
  t.is((await stat(path)).mode & 0o777, 0o640)
})

test("of content that was cut off nothing becomes, wherever it was cut", async t => {
  const path = join(t.context.directory, "file")
  await writeFile(path, OLD)
  for (const length of [0, 1, NEW.length - 1]) {
    const { exit, stderr } = await replace(path, NEW.slice(0, length))
    t.is(exit, 74)
    t.regex(stderr, /did not arrive whole/)
    t.is(await readFile(path, "utf8"), OLD)
    t.deepEqual(await readdir(t.context.directory), ["file"])
  }
})

test("killed before any of its programs, or after, it leaves the old file or the new one, and the next run ends it", async t => {
  const { directory } = t.context
  const programs = ["cat", "chmod", "wc", "sync", "mv"]
  for (const program of programs)
    for (const when of ["before", "after"]) {
      const shims = join(directory, `${program}-${when}`)
      const folder = join(shims, "etc")
      await mkdir(folder, { recursive: true })
      await writeFile(join(folder, "file"), OLD)
      // The whole process group, the shell first of all.
      const kill = "kill -9 0"
      const run = `/usr/bin/env PATH=/usr/bin:/bin ${program} "$@"`
      const body = when === "before" ? kill : `${run}\n${kill}`
      await writeFile(join(shims, program), `#!/bin/sh\n${body}\n`)
      await chmod(join(shims, program), 0o755)
      const [, ...words] = replaceFile(join(folder, "file"), 0o640, Buffer.byteLength(NEW))
      const killed = await exec(
        ["setsid", "--wait", "env", `PATH=${shims}:${process.env.PATH}`, "sh", ...words],
        { stdin: NEW },
      )
      t.not(killed.exit, 0, `${program}, ${when}`)
      t.true([OLD, NEW].includes(await readFile(join(folder, "file"), "utf8")), `${program}, ${when}`)
      const visible = (await readdir(folder)).filter(name => !name.startsWith("."))
      t.deepEqual(visible, ["file"], "nothing is left that a program would read")
      t.is((await replace(join(folder, "file"), NEW)).exit, 0)
      t.deepEqual(await readdir(folder), ["file"])
    }
})

test("what a script has written aside is what settles", async t => {
  const path = join(t.context.directory, "list")
  const script = `${FILES_SH}printf 'one\\ntwo\\n' >"$(aside "$1")" && settle "$1"`
  t.is((await exec(["sh", "-c", script, "sh", path])).exit, 0)
  t.is(await readFile(path, "utf8"), "one\ntwo\n")
  t.deepEqual(await readdir(t.context.directory), ["list"])
})
