import { execFileSync, spawn } from "node:child_process"
import { generateKeyPairSync } from "node:crypto"
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import test from "ava"
import { Secret } from "../../provider/secret.ts"
import { AbortedError, ConnectError, ConnectionPool, type Target } from "../../provider/ssh/index.ts"
import { freePort } from "../../scripts/lab/ports.ts"
import { startFakeSshServer } from "../helpers/fakeSshServer.ts"
import { makeKey, type Sshd, startSshd } from "../helpers/sshd.ts"

let sshd: Sshd
let directory: string
const at = (name: string): string => join(directory, name)

test.before(async () => {
  directory = mkdtempSync(join(tmpdir(), "connect-"))
  makeKey(at("plain"))
  makeKey(at("stranger"))
  makeKey(at("locked"), { passphrase: "open sesame" })
  makeKey(at("locked_rsa"), { type: "rsa", passphrase: "open sesame", format: "PEM" })
  makeKey(at("rsa"), { type: "rsa" })
  makeKey(at("ecdsa"), { type: "ecdsa" })
  makeKey(at("rsa_pkcs8"), { type: "rsa", format: "PKCS8" })
  makeKey(at("rsa_locked_pkcs8"), { type: "rsa", format: "PKCS8", passphrase: "open sesame" })
  const { privateKey } = generateKeyPairSync("ed25519")
  writeFileSync(at("ed25519_pkcs8"), privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 })
  const names = ["plain", "locked", "locked_rsa", "rsa", "ecdsa", "rsa_pkcs8", "rsa_locked_pkcs8"]
  const keys = names.map(name => readFileSync(at(`${name}.pub`), "utf8"))
  const { x = "" } = privateKey.export({ format: "jwk" })
  const blob = Buffer.concat([Buffer.from("\0\0\0\x0bssh-ed25519\0\0\0\x20"), Buffer.from(x, "base64url")])
  writeFileSync(at("authorized_keys"), `${keys.join("")}ssh-ed25519 ${blob.toString("base64")}\n`)
  sshd = await startSshd({ config: [`AuthorizedKeysFile ${at("authorized_keys")}`] })
})

test.after.always(async () => {
  await sshd?.stop()
  rmSync(directory, { recursive: true, force: true })
})

const target = (options: Partial<Target>): Target => {
  const { privateKeyPath: _, ...rest } = sshd.target
  return { ...rest, ...options }
}

async function connect(to: Target, signal?: AbortSignal): Promise<string> {
  const pool = new ConnectionPool()
  try {
    return (await (await pool.get(to, signal ? { signal } : {})).run(["echo", "in"])).stdout.trim()
  } finally {
    await pool.close()
  }
}

const passphrase = new Secret("open sesame")
for (const [what, options] of [
  ["an OpenSSH key by its path", () => ({ privateKeyPath: at("plain") })],
  ["an OpenSSH key by its text", () => ({ privateKey: new Secret(readFileSync(at("plain"), "utf8")) })],
  ["an RSA key", () => ({ privateKeyPath: at("rsa") })],
  ["an ECDSA key", () => ({ privateKeyPath: at("ecdsa") })],
  ["an encrypted OpenSSH key with its passphrase", () => ({ privateKeyPath: at("locked"), passphrase })],
  ["an encrypted PEM key with its passphrase", () => ({ privateKeyPath: at("locked_rsa"), passphrase })],
  ["an RSA key in PKCS#8", () => ({ privateKeyPath: at("rsa_pkcs8") })],
  ["an encrypted RSA key in PKCS#8", () => ({ privateKeyPath: at("rsa_locked_pkcs8"), passphrase })],
  ["an Ed25519 key in PKCS#8, as other tools write it", () => ({ privateKeyPath: at("ed25519_pkcs8") })],
  ["a passphrase that was not needed", () => ({ privateKeyPath: at("plain"), passphrase })],
] as const satisfies readonly (readonly [string, () => Partial<Target>])[]) {
  test(`one gets in with ${what}`, async t => {
    t.is(await connect(target(options())), "in")
  })
}

for (const [what, kind, pattern, options] of [
  [
    "a key that the host does not know",
    "auth",
    /refused to authenticate \S+\. Tried: the key .*stranger\. The host accepts publickey/,
    () => ({ privateKeyPath: at("stranger") }),
  ],
  ["no key at all", "auth", /Tried: nothing/, () => ({})],
  [
    "a key file that is not there",
    "key-file",
    /there is no such file/,
    () => ({ privateKeyPath: at("missing") }),
  ],
  ["a directory as key file", "key-file", /it is a directory/, () => ({ privateKeyPath: directory })],
  ["an empty key file", "key-file", /no private key/, () => ({ privateKeyPath: empty() })],
  [
    "a public key as private key",
    "key-file",
    /private one is needed/,
    () => ({ privateKeyPath: at("plain.pub") }),
  ],
  [
    "a key cut short",
    "key-file",
    /no private key/,
    () => ({ privateKey: new Secret(readFileSync(at("plain"), "utf8").slice(0, 200)) }),
  ],
  [
    "an encrypted key without passphrase",
    "passphrase",
    /encrypted and no passphrase is given/,
    () => ({ privateKeyPath: at("locked") }),
  ],
  [
    "an encrypted key with a wrong passphrase",
    "passphrase",
    /does not open the key/,
    () => ({ privateKeyPath: at("locked"), passphrase: new Secret("wrong") }),
  ],
  [
    "an encrypted PEM key with a wrong passphrase",
    "passphrase",
    /does not open the key/,
    () => ({ privateKeyPath: at("locked_rsa"), passphrase: new Secret("wrong") }),
  ],
  ["an agent that is not there", "agent", /is of no use/, () => ({ agent: at("no-socket") })],
  [
    "a port on which nothing listens",
    "refused",
    /nothing listens on port \d+ there/,
    () => ({ privateKeyPath: at("plain"), port: 1 }),
  ],
  [
    "a name without an address",
    "dns",
    /no-such-host\.invalid of .* has no address/,
    () => ({ privateKeyPath: at("plain"), host: "no-such-host.invalid" }),
  ],
  ["port 0", "target", /from 1 to 65535/, () => ({ port: 0 })],
  ["port 65536", "target", /from 1 to 65535/, () => ({ port: 65_536 })],
  ["a host that would be an option of ssh", "target", /no host name/, () => ({ host: "-oProxyCommand=id" })],
  ["a host with a newline", "target", /no host name/, () => ({ host: "a\nb" })],
  ["an empty host", "target", /no host name/, () => ({ host: "" })],
  ["a user with a space", "target", /no user name/, () => ({ user: "a b" })],
] as const satisfies readonly (readonly [string, ConnectError["kind"], RegExp, () => Partial<Target>])[]) {
  test(`${what} is an error that says so`, async t => {
    const error = await t.throwsAsync(connect(target(options())), { instanceOf: ConnectError })
    t.is(error?.kind, kind)
    t.regex(error?.message ?? "", pattern)
    t.false(error?.message.includes("\n"), "one sentence, one line")
  })
}

function empty(): string {
  writeFileSync(at("empty"), "", { mode: 0o600 })
  chmodSync(at("empty"), 0o600)
  return at("empty")
}

/** An agent of OpenSSH with some keys, ended by its pid. */
async function startAgent(keys: readonly string[]): Promise<{ socket: string; stop(): void }> {
  const socket = at(`agent-${await freePort()}`)
  const child = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" })
  for (let tries = 0; tries < 100; tries++) {
    try {
      execFileSync("ssh-add", ["-q", ...keys], {
        env: { ...process.env, SSH_AUTH_SOCK: socket },
        stdio: "ignore",
      })
      break
    } catch {
      await sleep(30)
    }
  }
  return { socket, stop: () => child.kill() }
}

test("one gets in by an agent, which tries its keys in turn", async t => {
  const agent = await startAgent([at("stranger"), at("rsa")])
  t.teardown(() => agent.stop())
  t.is(await connect(target({ agent: agent.socket })), "in")
})

test("an encrypted key without passphrase is used through the agent that holds it", async t => {
  const agent = await startAgent([at("plain")])
  t.teardown(() => agent.stop())
  t.is(await connect(target({ agent: agent.socket, privateKeyPath: at("locked") })), "in")
})

test("with a key given the agent is not asked", async t => {
  const agent = await startAgent([at("plain")])
  t.teardown(() => agent.stop())
  const error = await t.throwsAsync(
    connect(target({ agent: agent.socket, privateKeyPath: at("stranger") })),
    {
      instanceOf: ConnectError,
    },
  )
  t.is(error?.kind, "auth")
  t.false(error?.message.includes("agent"))
})

for (const method of ["password", "keyboard-interactive"] as const) {
  test(`one gets in with a password where the host asks for it by ${method}`, async t => {
    const server = await startFakeSshServer([sshd.hostKeyPath], client => {
      client.on("authentication", context => {
        if (context.method !== method) return context.reject([method])
        if (context.method === "password")
          return context.password === "pass word" ? context.accept() : context.reject()
        if (context.method === "keyboard-interactive") {
          context.prompt([{ prompt: "Password: ", echo: false }], answers =>
            answers[0] === "pass word" ? context.accept() : context.reject(),
          )
        }
      })
    })
    const pool = new ConnectionPool()
    t.teardown(async () => {
      await pool.close()
      await server.stop()
    })
    const to = target({ port: server.port, password: new Secret("pass word") })
    t.regex((await pool.get(to)).name, /:\d+$/)
    const error = await t.throwsAsync(pool.get({ ...to, password: new Secret("other words") }), {
      instanceOf: ConnectError,
    })
    t.is(error?.kind, "auth")
    t.false(error?.message.includes("other words"))
  })
}

test("a host that wants a key and a password is given both", async t => {
  const server = await startFakeSshServer([sshd.hostKeyPath], client => {
    let key = false
    client.on("authentication", context => {
      if (context.method === "publickey") {
        key ||= context.signature !== undefined
        if (context.signature === undefined) return context.accept()
        // What OpenSSH calls AuthenticationMethods publickey,password.
        return context.reject(["password"], true)
      }
      if (context.method === "password" && key) return context.accept()
      return context.reject(["publickey"])
    })
  })
  const pool = new ConnectionPool()
  t.teardown(async () => {
    await pool.close()
    await server.stop()
  })
  const to = target({ port: server.port, privateKeyPath: at("plain"), password: new Secret("pass") })
  await t.notThrowsAsync(pool.get(to))
  t.deepEqual(server.attempts.at(-1), `${sshd.user} password`)
})

test("a host that is silent is an error after connectTimeout", async t => {
  // TEST-NET-1 (RFC 5737) is routed nowhere; where something answers for it all the same, it is unreachable.
  const error = await t.throwsAsync(connect(target({ host: "192.0.2.1", connectTimeout: 500 })), {
    instanceOf: ConnectError,
  })
  t.true(
    error?.kind === "timeout" || error?.kind === "unreachable" || error?.kind === "refused",
    error?.message,
  )
})

test("connecting can be aborted", async t => {
  const silent = await startFakeSshServer([sshd.hostKeyPath], client => client.on("authentication", () => {}))
  t.teardown(() => silent.stop())
  const to = target({ port: silent.port, privateKeyPath: at("plain") })
  await t.throwsAsync(connect(to, AbortSignal.timeout(300)), { instanceOf: AbortedError })
  const start = performance.now()
  await t.throwsAsync(connect(to, AbortSignal.abort()), { instanceOf: AbortedError })
  t.true(performance.now() - start < 5000, "nothing is waited for")
})

test("one target has one connection, another has its own, and a lost one is replaced", async t => {
  const pool = new ConnectionPool()
  t.teardown(() => pool.close())
  const to = target({ privateKeyPath: at("plain") })
  const parent = async (given: Target): Promise<string> =>
    (await (await pool.get(given)).run(["sh", "-c", "echo $PPID"])).stdout
  const [first, second] = await Promise.all([parent(to), parent({ ...to })])
  t.is(first, second)
  t.not(await parent({ ...to, connectTimeout: 9000 }), first)
  process.kill(Number(first), "SIGKILL")
  await sleep(200)
  const later = await parent(to)
  t.not(later, first)
  t.is(await parent(to), later)
})

test("a fresh connection is a new one, and closing it leaves the pooled one alone", async t => {
  const pool = new ConnectionPool()
  t.teardown(() => pool.close())
  const pooled = await pool.get(target({ privateKeyPath: at("plain") }))
  const parent = async (host: typeof pooled): Promise<string> =>
    (await host.run(["sh", "-c", "echo $PPID"])).stdout
  const fresh = await pooled.fresh()
  t.not(await parent(fresh), await parent(pooled))
  await fresh.close()
  await t.throwsAsync(fresh.run(["true"]), { instanceOf: AbortedError })
  t.is((await pooled.run(["echo", "here"])).stdout, "here\n")
})

test("a fresh connection believes only what the first one did", async t => {
  const own = await startSshd()
  const pool = new ConnectionPool()
  const pooled = await pool.get(own.target)
  await own.stop()
  const impostor = await startSshd({ port: own.port })
  t.teardown(async () => {
    await pool.close()
    await impostor.stop()
  })
  const error = await t.throwsAsync(pooled.fresh(), { instanceOf: ConnectError })
  t.true(error?.kind === "host-key-mismatch" || error?.kind === "key-file", error?.message)
})
