import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test from "ava"
import { ConnectError, ConnectionPool, type Target } from "../../provider/ssh/index.ts"
import { Saboteur } from "../helpers/saboteur.ts"
import { makeKey, type Sshd, startSshd } from "../helpers/sshd.ts"

let front: Sshd
let back: Sshd
let directory: string

test.before(async () => {
  front = await startSshd()
  back = await startSshd()
  directory = mkdtempSync(join(tmpdir(), "config-"))
})

test.after.always(async () => {
  await front?.stop()
  await back?.stop()
  rmSync(directory, { recursive: true, force: true })
})

let files = 0
function config(text: string): string {
  const path = join(directory, `config${files++}`)
  writeFileSync(path, text)
  return path
}

const block = (name: string, { port, user, keyPath, directory: at, hostKey }: Sshd, more = ""): string => {
  const known = join(at, "known_hosts")
  writeFileSync(known, `[127.0.0.1]:${port} ${hostKey}\n`)
  return `Host ${name}\n HostName 127.0.0.1\n Port ${port}\n User ${user}\n IdentityFile ${keyPath}\n UserKnownHostsFile ${known}\n IdentityAgent none\n${more}\n`
}

/** The port of the sshd that one ends up at, and the connection's name. */
async function reached(target: Target): Promise<[port: number, name: string]> {
  const pool = new ConnectionPool()
  try {
    const host = await pool.get(target)
    const { stdout } = await host.run(["sh", "-c", "echo $SSH_CONNECTION"])
    return [Number(stdout.trim().split(" ").at(-1)), host.name]
  } finally {
    await pool.close()
  }
}

test("a Host of ssh_config is all that a target needs", async t => {
  const sshConfig = config(block("www1", front))
  t.deepEqual(await reached({ host: "www1", sshConfig }), [front.port, `${front.user}@www1:${front.port}`])
})

test("what the target says wins over ssh_config", async t => {
  const sshConfig = config(block("www1", front))
  const own: Target = { ...back.target, host: "www1", sshConfig }
  t.deepEqual(await reached(own), [back.port, `${back.user}@www1:${back.port}`])
})

test("Include and wildcards mean what they mean to ssh", async t => {
  const included = config(block("www*", front))
  t.deepEqual((await reached({ host: "www7", sshConfig: config(`Include ${included}\n`) }))[0], front.port)
})

test("the user is root where nobody says otherwise", async t => {
  const text = block("www1", front).replace(/ User .*\n/, "")
  t.is((await reached({ host: "www1", sshConfig: config(text) }))[1], `root@www1:${front.port}`)
})

test("ProxyJump leads through a host that is verified and authenticated for itself", async t => {
  const sshConfig = config(block("front", front) + block("back", back, " ProxyJump front"))
  const accepted = (): number => front.log().split("Accepted publickey").length
  const before = accepted()
  t.is((await reached({ host: "back", sshConfig }))[0], back.port)
  t.true(accepted() > before)
})

test("ProxyJump over two hops, the first of them twice", async t => {
  const sshConfig = config(
    block("front", front) +
      block("middle", back) +
      block("back", back, ` ProxyJump front,${back.user}@middle`),
  )
  t.is((await reached({ host: "back", sshConfig }))[0], back.port)
})

test("ProxyCommand's standard input and output are the connection", async t => {
  const relay = join(directory, "relay.mjs")
  writeFileSync(
    relay,
    'import{connect}from"node:net";const s=connect(Number(process.argv[3]),process.argv[2]);process.stdin.pipe(s);s.pipe(process.stdout)',
  )
  const sshConfig = config(block("www1", front, ` ProxyCommand ${process.execPath} ${relay} %h %p`))
  t.is((await reached({ host: "www1", sshConfig }))[0], front.port)
})

test("a jump host given in the target is used, and its own key is verified", async t => {
  const through: Target = { ...back.target, via: front.target }
  t.is((await reached(through))[0], back.port)
  makeKey(join(directory, "other"))
  const other = readFileSync(join(directory, "other.pub"), "utf8")
  const error = await t.throwsAsync(reached({ ...back.target, via: { ...front.target, hostKey: other } }), {
    instanceOf: ConnectError,
  })
  t.is(error?.kind, "host-key-mismatch")
  t.true(error?.message.includes(`:${front.port}`), "names the jump host, and not the one behind it")
})

test("the key of the host behind a jump is verified, too", async t => {
  const error = await t.throwsAsync(reached({ ...back.target, hostKey: front.hostKey, via: front.target }), {
    instanceOf: ConnectError,
  })
  t.is(error?.kind, "host-key-mismatch")
  t.true(error?.message.includes(`:${back.port}`))
})

test("a host that the jump host cannot reach is an error that names both", async t => {
  const error = await t.throwsAsync(reached({ ...back.target, port: 1, via: front.target }), {
    instanceOf: ConnectError,
  })
  t.is(error?.kind, "jump")
  t.regex(error?.message ?? "", new RegExp(`:${front.port} could not reach .*:1`))
})

test("hosts behind one jump host share one connection to it", async t => {
  const pool = new ConnectionPool()
  t.teardown(() => pool.close())
  const network = await Saboteur.before(front.port)
  t.teardown(() => network.close())
  const via: Target = { ...front.target, port: network.port }
  const targets: Target[] = [back.target, { ...back.target, connectTimeout: 9000 }]
  const hosts = await Promise.all(targets.map(target => pool.get({ ...target, via })))
  const clients = await Promise.all(hosts.map(host => host.run(["sh", "-c", "echo $SSH_CONNECTION"])))
  t.is(new Set(clients.map(({ stdout }) => stdout)).size, 2)
  t.is(network.connections, 1)
})

test("a jump host that leads back to itself is an error, not an endless chain", async t => {
  const sshConfig = config(block("front", front, " ProxyJump back") + block("back", back, " ProxyJump front"))
  const error = await t.throwsAsync(reached({ host: "back", sshConfig }), { instanceOf: ConnectError })
  t.is(error?.kind, "jump")
  t.regex(error?.message ?? "", /lead back to itself/)
})

for (const [what, make] of [
  ["a file that does not exist", () => join(directory, "none")],
  ["a file with a mistake", () => config("Host a\n Prot 22\n")],
] as const) {
  test(`${what} as sshConfig is an error that names it`, async t => {
    const sshConfig = make()
    const error = await t.throwsAsync(reached({ host: "www1", sshConfig }), { instanceOf: ConnectError })
    t.is(error?.kind, "config")
    t.true(error?.message.includes(sshConfig), error?.message)
  })
}
