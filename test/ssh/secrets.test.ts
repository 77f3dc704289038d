import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { inspect } from "node:util"
import test from "ava"
import { Secret } from "../../provider/secret.ts"
import { ConnectionPool, type Target } from "../../provider/ssh/index.ts"
import { makeKey, startSshd } from "../helpers/sshd.ts"

const WORD = "hunter2-is-the-word"

test("a secret on standard input or in a file is in no process's arguments and in no error", async t => {
  const sshd = await startSshd()
  const pool = new ConnectionPool()
  const directory = mkdtempSync(join(tmpdir(), "secrets-"))
  t.teardown(async () => {
    await pool.close()
    await sshd.stop()
    rmSync(directory, { recursive: true })
  })
  const host = await pool.get(sshd.target)
  const secret = new Secret(WORD)
  let over = false
  const seen = new Set<string>()
  /** As long as it is there the command waits to be seen. */
  const unseen = join(directory, "unseen")
  writeFileSync(unseen, "")
  const watch = (async () => {
    while (!over) {
      for (const pid of readdirSync("/proc").filter(name => /^\d+$/.test(name))) seen.add(commandLine(pid))
      if (seen.has("sleep\u00000.21\u0000")) rmSync(unseen, { force: true })
      await sleep(5)
    }
  })()
  const waiting = `cat >/dev/null; while [ -e ${unseen} ]; do sleep 0.21; done; exit 1`
  const errors: unknown[] = []
  for (const work of [
    () => host.run(["sh", "-c", waiting], { stdin: secret }),
    () => host.writeFile(join(directory, "key"), secret),
    () => host.writeFile(join(directory, "missing", "key"), secret),
    () => pool.get({ ...sshd.target, privateKey: secret }),
    () => pool.get({ ...sshd.target, passphrase: secret, privateKeyPath: join(directory, "none") }),
  ]) {
    await work().catch((error: unknown) => errors.push(error))
  }
  over = true
  await watch
  t.is(readFileSync(join(directory, "key"), "utf8"), WORD)
  t.false([...seen].some(line => line.includes(WORD)))
  t.is(errors.length, 4)
  for (const error of errors) {
    t.false(inspect(error, { depth: 20, showHidden: true }).includes(WORD))
    t.false(JSON.stringify(error).includes(WORD))
  }
})

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1")
  } catch {
    return ""
  }
}

test("nothing that a pool or a connection holds prints a secret", async t => {
  const sshd = await startSshd()
  const pool = new ConnectionPool()
  t.teardown(async () => {
    await pool.close()
    await sshd.stop()
  })
  const path = join(sshd.directory, "locked")
  makeKey(path, { passphrase: WORD })
  const target: Target = { ...sshd.target, passphrase: new Secret(WORD), sudoPassword: new Secret(WORD) }
  const host = await pool.get(target)
  await host.run(["true"])
  for (const thing of [target, pool, host]) {
    t.false(inspect(thing, { depth: 20, showHidden: true }).includes(WORD))
    t.false(JSON.stringify(thing).includes(WORD))
  }
})
