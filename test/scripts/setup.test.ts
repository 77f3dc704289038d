import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import test from "ava"
import { ensurePackages, missingNeeds, SetupError } from "../../scripts/setup/debian.ts"

const run = promisify(execFile)

test("what is there is not missing, by program or by file", async t => {
  const needs = [
    { package: "dash", why: "a shell", gives: "sh" },
    { package: "base-files", why: "a file", gives: "/etc/os-release" },
    { package: "fdisk", why: "a program of sbin", gives: "sfdisk" },
    { package: "nothing", why: "a program that nobody has", gives: "no-such-program" },
    { package: "nowhere", why: "a file that nobody has", gives: "/no/such/file" },
  ]
  t.deepEqual(
    (await missingNeeds(needs)).map(need => need.package),
    ["nothing", "nowhere"],
  )
})

test("nothing is asked of the system when nothing is missing", async t => {
  await t.notThrowsAsync(ensurePackages([{ package: "dash", why: "a shell", gives: "sh" }]))
})

test("a user who is neither root nor in sudoers is told what to type, and nothing is tried", async t => {
  const module = fileURLToPath(new URL("../../scripts/setup/debian.ts", import.meta.url))
  // As nobody: with no right to install, and no sudo that would do it without asking.
  const script = `
    const { ensurePackages } = await import(${JSON.stringify(module)})
    process.setgid(65534); process.setuid(65534)
    const needs = [{ package: "no-such-package", why: "the test asks for it", gives: "no-such-program" }]
    await ensurePackages(needs).catch(error => console.log(error.name + "\\n" + error.message))`
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script])
  t.is(
    stdout,
    `SetupError
These Debian packages are missing:
  no-such-package: the test asks for it
Install them and run this again:
  apt-get install no-such-package
`,
  )
})

test("a package that cannot be installed is a sentence with apt's own last words", async t => {
  t.is(process.getuid?.(), 0, "this test installs, or rather fails to, as root")
  const needs = [
    { package: "no-such-package-of-debian", why: "the test asks for it", gives: "no-such-program" },
  ]
  const error = await t.throwsAsync(ensurePackages(needs), { instanceOf: SetupError })
  t.regex(
    error.message,
    /^apt-get install no-such-package-of-debian failed:\n.*Unable to locate package no-such-package-of-debian/s,
  )
})

test("setup names the purposes it knows when it is given another", async t => {
  const script = fileURLToPath(new URL("../../scripts/setup.ts", import.meta.url))
  const error = await t.throwsAsync(run(process.execPath, [script, "nonsense"]))
  t.regex(
    (error as unknown as { stderr: string }).stderr,
    /^nonsense is no purpose; choose one of npm, lab, quickstart, test, bench/,
  )
})
