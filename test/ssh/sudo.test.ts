import { spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import test from "ava"
import { Secret } from "../../provider/secret.ts"
import {
  CommandTimeoutError,
  type Connection,
  ConnectionPool,
  RemoteCommandError,
  SudoError,
  type Target,
  UploadError,
} from "../../provider/ssh/index.ts"
import { type Sshd, startSshd } from "../helpers/sshd.ts"

/** Real users, as only root can make them: with sudo and no password, with one, and without sudo. */
const id = process.pid
const FREE = `xfree${id}`
const ASKED = `xasked${id}`
const PLAIN = `xplain${id}`
const PASSWORD = 'correct horse; "battery" $staple'
const sudoers = `/etc/sudoers.d/xen-test-${id}`

let sshd: Sshd
let pool: ConnectionPool
let directory: string

function must(command: string, args: readonly string[], input = ""): void {
  const { status, stderr } = spawnSync(command, args, { input })
  if (status !== 0) throw new Error(`${command} failed: ${stderr}`)
}

test.before(async () => {
  // `*` is no password that could be typed, and yet no locked account, which sshd would refuse.
  for (const user of [FREE, ASKED, PLAIN])
    must("useradd", ["--create-home", "--shell", "/bin/bash", "--password", "*", user])
  must("chpasswd", [], `${ASKED}:${PASSWORD}\n`)
  writeFileSync(sudoers, `${FREE} ALL=(ALL) NOPASSWD: ALL\n${ASKED} ALL=(ALL) ALL\n`, { mode: 0o440 })
  sshd = await startSshd()
  // Its keys are looked for by the user who logs in.
  must("chmod", ["755", sshd.directory])
  must("chmod", ["644", `${sshd.keyPath}.pub`])
  pool = new ConnectionPool()
  directory = mkdtempSync(join(tmpdir(), "sudo-"))
  must("chmod", ["755", directory])
})

test.after.always(async () => {
  await pool?.close()
  await sshd?.stop()
  rmSync(sudoers, { force: true })
  for (const user of [FREE, ASKED, PLAIN]) spawnSync("userdel", ["--remove", user])
  rmSync(directory, { recursive: true, force: true })
})

const as = (user: string, options: Partial<Target> = {}): Promise<Connection> =>
  pool.get({ ...sshd.target, user, ...options })
const password = new Secret(PASSWORD)

for (const [what, connect] of [
  ["without a password", () => as(FREE)],
  ["with a password", () => as(ASKED, { sudoPassword: password })],
  ["with a password that is not needed", () => as(FREE, { sudoPassword: password })],
] as const) {
  test(`a user who has sudo ${what} runs commands as root`, async t => {
    const host = await connect()
    t.is((await host.run(["id", "-u"])).stdout, "0\n")
    const arguments_ = ["a b", "it's", "$HOME", "-k", ""]
    const { stdout } = await host.run(["printf", "%s\\0", ...arguments_])
    t.deepEqual(stdout.split("\0").slice(0, -1), arguments_)
  })

  test(`a user who has sudo ${what}: standard input is the command's alone`, async t => {
    const host = await connect()
    t.is((await host.run(["cat"], { stdin: "first\nsecond\n" })).stdout, "first\nsecond\n")
    t.is((await host.run(["cat"])).stdout, "")
  })

  test(`a user who has sudo ${what}: directory, environment, exit code and errors are the command's`, async t => {
    const host = await connect()
    const { stdout } = await host.run(["sh", "-c", 'echo "$PWD $LC_ALL $X"'], {
      cwd: "/root",
      env: { X: "y z" },
    })
    t.is(stdout, "/root C y z\n")
    const error = await t.throwsAsync(host.run(["sh", "-c", "echo why >&2; exit 7"]), {
      instanceOf: RemoteCommandError,
    })
    t.like(error, { exit: 7, stderr: "why\n" })
  })

  test(`a user who has sudo ${what}: what takes too long is ended, though it is root's`, async t => {
    const host = await connect()
    const word = `6${randomBytes(3).readUIntBE(0, 3)}`
    const error = await t.throwsAsync(
      host.run(["sh", "-c", `trap '' TERM; sleep ${word}; :`], { timeout: 700 }),
      {
        instanceOf: CommandTimeoutError,
      },
    )
    t.true(error?.ended)
    await sleep(100)
    t.is(spawnSync("pgrep", ["-f", `^sleep ${word}`]).status, 1)
  })

  test.serial(`a user who has sudo ${what} puts files where only root may, and they are root's`, async t => {
    const host = await connect()
    const at = mkdtempSync(join(directory, "root-"))
    const bytes = randomBytes(3_000_000)
    await host.upload(bytes, join(at, "kernel"), { mode: 0o640 })
    await host.writeFile(join(at, "small"), "content\n")
    t.true(readFileSync(join(at, "kernel")).equals(bytes))
    t.is(readFileSync(join(at, "small"), "utf8"), "content\n")
    t.deepEqual(readdirSync(at).toSorted(), ["kernel", "small"])
    for (const name of ["kernel", "small"]) t.like(statSync(join(at, name)), { uid: 0, gid: 0 })
    t.is(statSync(join(at, "kernel")).mode & 0o777, 0o640)
    t.like(await host.upload(bytes, join(at, "kernel"), { mode: 0o640 }), { bytes: 0 })
    for (const user of [FREE, ASKED]) t.deepEqual(staged(user), [])
  })
}

/** What is left of uploads in a user's own place. */
function staged(user: string): string[] {
  const uid = spawnSync("id", ["-u", user]).stdout.toString().trim()
  const path = `/var/tmp/pulumi-xen-${uid}`
  return existsSync(path) ? readdirSync(path) : []
}

for (const [what, kind, pattern, connect] of [
  [
    "without the password that sudo wants",
    "password",
    /Give sudoPassword, or allow NOPASSWD/,
    () => as(ASKED),
  ],
  [
    "with a wrong password",
    "refused",
    /the password is wrong, or sudoers does not allow/,
    () => as(ASKED, { sudoPassword: new Secret("wrong") }),
  ],
  ["who is not in sudoers", "password", /Give sudoPassword, or allow NOPASSWD/, () => as(PLAIN)],
] as const) {
  test(`a user ${what} is told so, and nothing runs`, async t => {
    const host = await connect()
    const file = join(directory, "never")
    const error = await t.throwsAsync(
      host.run(["touch", file], { expect: [0, 1], stdin: "wrong\nwrong\n" }),
      {
        instanceOf: SudoError,
      },
    )
    t.is(error?.kind, kind)
    t.regex(error?.message ?? "", pattern)
    t.false(existsSync(file))
  })
}

test("sudo: false runs as the user, for a target and for one command", async t => {
  const uid = spawnSync("id", ["-u", FREE]).stdout.toString()
  t.is((await (await as(FREE, { sudo: false })).run(["id", "-u"])).stdout, uid)
  t.is((await (await as(FREE)).run(["id", "-u"], { sudo: false })).stdout, uid)
})

test("without sudo a directory of somebody else is a sentence about permission, and nothing is left behind", async t => {
  const host = await as(PLAIN, { sudo: false })
  const at = mkdtempSync(join(directory, "foreign-"))
  must("chmod", ["755", at])
  for (const attempt of [
    () => host.upload(randomBytes(1000), join(at, "kernel")),
    () => host.writeFile(join(at, "small"), "x"),
  ]) {
    const error = await t.throwsAsync(attempt, { instanceOf: UploadError })
    t.is(error?.kind, "permission")
    t.regex(error?.message ?? "", /may not write in its directory\. Connect as root, or allow sudo/)
  }
  t.deepEqual(readdirSync(at), [])
})

test.serial("a staging place that belongs to somebody else is not used", async t => {
  const uid = spawnSync("id", ["-u", FREE]).stdout.toString().trim()
  const path = `/var/tmp/pulumi-xen-${uid}`
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path)
  chownSync(path, 65_534, 65_534)
  t.teardown(() => rmSync(path, { recursive: true }))
  const at = mkdtempSync(join(directory, "root-"))
  await t.throwsAsync((await as(FREE)).upload(randomBytes(1024 * 1024), join(at, "kernel")), {
    message: /not this user's own/,
  })
  t.deepEqual(readdirSync(at), [])
})

test("the password is in no process's arguments while the command runs, nor in any environment", async t => {
  const host = await as(ASKED, { sudoPassword: password })
  const controller = new AbortController()
  const running = host.run(["sleep", "5551"], { signal: controller.signal })
  const all = (): string[] =>
    readdirSync("/proc")
      .filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)
      .flatMap(pid => ["cmdline", "environ"].map(file => read(`/proc/${pid}/${file}`)))
  let seen = all()
  while (!seen.some(text => text.startsWith("sleep\u00005551"))) {
    await sleep(20)
    seen = [...seen, ...all()]
  }
  t.false(seen.some(text => text.includes(PASSWORD)))
  controller.abort()
  await t.throwsAsync(running)
})

function read(path: string): string {
  try {
    return readFileSync(path, "latin1")
  } catch {
    return ""
  }
}
