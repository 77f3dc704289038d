import { execFile } from "node:child_process"
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import anyTest, { type TestFn } from "ava"
import type { ConnectionInput } from "../../provider/resources/connection.ts"
import { Secret } from "../../provider/secret.ts"
import { sshArguments } from "../../scripts/stack/ssh.ts"
import { type Sshd, startSshd } from "../helpers/sshd.ts"

const run = promisify(execFile)
const test = anyTest as TestFn<{ sshd: Sshd; folder: string }>

test.beforeEach(async t => {
  t.context = { sshd: await startSshd(), folder: await mkdtemp(join(tmpdir(), "ssh-arguments-")) }
})
test.afterEach.always(async t => {
  await t.context.sshd.stop()
  await rm(t.context.folder, { recursive: true })
})

/** What the real ssh makes of a connection of the stack. */
async function ask(folder: string, connection: ConnectionInput): Promise<string> {
  const args = [
    "-F",
    "none",
    "-o",
    "BatchMode=yes",
    ...(await sshArguments(connection, folder)),
    "echo",
    "reached",
  ]
  const { stdout } = await run("ssh", args, { env: { ...process.env, HOME: folder, SSH_AUTH_SOCK: "" } })
  return stdout.trim()
}

const input = ({ host, port, user, hostKey, keyPath: privateKeyPath }: Sshd) => ({
  host,
  port,
  user,
  hostKey,
  privateKeyPath,
})

test("ssh reaches a host by the key and the host key that the stack has for it", async t => {
  t.is(await ask(t.context.folder, input(t.context.sshd)), "reached")
})

test("a private key that the state holds is written for the user alone, and stands in no argument", async t => {
  const { sshd, folder } = t.context
  const { privateKeyPath, ...rest } = input(sshd)
  const connection = { ...rest, privateKey: new Secret(await readFile(privateKeyPath, "utf8")) }
  t.is(await ask(folder, connection), "reached")
  t.is((await stat(join(folder, "key"))).mode & 0o777, 0o600)
  const args = (await sshArguments(connection, folder)).join(" ")
  t.false(args.includes("PRIVATE KEY"))
})

test("another host key than the pinned one is refused by ssh", async t => {
  const { sshd, folder } = t.context
  const other = await startSshd()
  t.teardown(() => other.stop())
  const error = await t.throwsAsync(ask(folder, { ...input(sshd), hostKey: other.hostKey }))
  t.regex(error!.message, /Host key verification failed/)
})

test("a jump host stands where ssh wants it", async t => {
  const via = [{ host: "gate.example.org", port: 2222, user: "anna" }, { host: "inner.example.org" }]
  const args = await sshArguments({ host: "www1", via }, t.context.folder)
  t.deepEqual(args, ["-J", "anna@gate.example.org:2222,root@inner.example.org", "root@www1"])
  t.deepEqual(await readdir(t.context.folder), [])
})

test("known_hosts files and ssh_config are those of the connection", async t => {
  const { sshd, folder } = t.context
  const { hostKey, ...rest } = input(sshd)
  const file = join(folder, "known")
  await writeFile(file, `[${sshd.host}]:${sshd.port} ${hostKey}\n`)
  t.is(await ask(folder, { ...rest, knownHosts: [file] }), "reached")
})
