import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test from "ava"
import { Secret } from "../../../provider/secret.ts"
import { ConnectError, ConnectionPool, type Target } from "../../../provider/ssh/index.ts"
import { type FakeSshServer, startFakeSshServer } from "../../helpers/fakeSshServer.ts"
import { makeKey, type Sshd, startSshd } from "../../helpers/sshd.ts"

let sshd: Sshd
/** Accepts whoever comes and writes down how they tried. */
let recorder: FakeSshServer
let directory: string
let other: string

test.before(async () => {
  sshd = await startSshd()
  directory = mkdtempSync(join(tmpdir(), "hostkey-"))
  makeKey(join(directory, "recorder"))
  makeKey(join(directory, "other"))
  makeKey(join(directory, "rsa"), { type: "rsa" })
  recorder = await startFakeSshServer([join(directory, "recorder"), join(directory, "rsa")], client =>
    client.on("authentication", context => context.reject(["password"])),
  )
  other = publicKey("other")
})

test.after.always(async () => {
  await sshd?.stop()
  await recorder?.stop()
  rmSync(directory, { recursive: true, force: true })
})

const publicKey = (name: string): string => readFileSync(join(directory, `${name}.pub`), "utf8").trim()
const fingerprintOf = (file: string): string =>
  execFileSync("ssh-keygen", ["-lf", file]).toString().split(" ")[1] ?? ""

let files = 0
function knownHosts(text: string): string {
  const file = join(directory, `known${files++}`)
  writeFileSync(file, text)
  return file
}

async function connect(target: Target): Promise<string> {
  const pool = new ConnectionPool()
  try {
    return (await (await pool.get(target)).run(["echo", "in"])).stdout.trim()
  } finally {
    await pool.close()
  }
}

/** The same without a key of its own, so that known_hosts decides. */
function byFiles(knownHosts: readonly string[]): Target {
  const { hostKey: _, ...target } = sshd.target
  return { ...target, knownHosts }
}

const here = (): string => `[127.0.0.1]:${sshd.port}`

for (const [what, hostKey] of [
  ["a public key", () => sshd.hostKey],
  ["a public key without its comment", () => sshd.hostKey.split(" ").slice(0, 2).join(" ")],
  ["a known_hosts line", () => `www1,192.0.2.1 ${sshd.hostKey}`],
  ["a fingerprint", () => fingerprintOf(sshd.hostKeyPath)],
  ["one of several keys", () => [other, sshd.hostKey]],
] as const) {
  test(`the host is believed by ${what}`, async t => {
    t.is(await connect({ ...sshd.target, hostKey: hostKey() }), "in")
  })
}

for (const [what, text] of [
  ["its name and port", () => `${here()} ${sshd.hostKey}`],
  ["its name without the port, as ssh does", () => `127.0.0.1 ${sshd.hostKey}`],
  ["another key of it beside", () => `${here()} ${other}\n${here()} ${sshd.hostKey}`],
] as const) {
  test(`the host is believed by a known_hosts file with ${what}`, async t => {
    t.is(await connect(byFiles([knownHosts(`${text()}\n`)])), "in")
  })
}

test("the host is believed by a hashed line in the second of several files", async t => {
  const file = knownHosts(`${here()} ${sshd.hostKey}\n`)
  execFileSync("ssh-keygen", ["-q", "-H", "-f", file], { stdio: "ignore" })
  t.is(await connect(byFiles([join(directory, "missing"), file])), "in")
})

const wrong = [
  ["a wrong hostKey", "host-key-mismatch", () => ({ hostKey: other })],
  [
    "a wrong fingerprint",
    "host-key-mismatch",
    () => ({ hostKey: fingerprintOf(join(directory, "other.pub")) }),
  ],
  [
    "another key in known_hosts",
    "host-key-mismatch",
    () => ({ knownHosts: [knownHosts(`RECORDER ${other}\n`)] }),
  ],
  [
    "another key under accept-new",
    "host-key-mismatch",
    () => ({ knownHosts: [knownHosts(`RECORDER ${other}\n`)], hostKeyPolicy: "accept-new" }),
  ],
  [
    "nothing in known_hosts",
    "host-key-unknown",
    () => ({ knownHosts: [knownHosts(`elsewhere ${publicKey("recorder")}\n`)] }),
  ],
  [
    "its key marked as revoked",
    "host-key-revoked",
    () => ({
      knownHosts: [knownHosts(`@revoked * ${publicKey("recorder")}\nRECORDER ${publicKey("recorder")}\n`)],
    }),
  ],
  [
    "its key marked as revoked under accept-new",
    "host-key-revoked",
    () => ({
      knownHosts: [knownHosts(`@revoked * ${publicKey("recorder")}\n`)],
      hostKeyPolicy: "accept-new",
    }),
  ],
] as const satisfies readonly (readonly [string, string, () => Partial<Target>])[]

for (const [what, kind, options] of wrong) {
  test(`with ${what} not one authentication packet is sent`, async t => {
    const server = await startFakeSshServer([join(directory, "recorder")])
    t.teardown(() => server.stop())
    const given = JSON.parse(JSON.stringify(options())) as Partial<Target>
    for (const file of given.knownHosts ?? []) {
      writeFileSync(file, readFileSync(file, "utf8").replaceAll("RECORDER", `[127.0.0.1]:${server.port}`))
    }
    const target: Target = {
      host: "127.0.0.1",
      port: server.port,
      user: "root",
      password: new Secret("for nobody"),
      sshConfig: false,
      ...given,
    }
    const error = await t.throwsAsync(connect(target), { instanceOf: ConnectError })
    t.is(error?.kind, kind)
    t.true(
      error?.message.includes(fingerprintOf(join(directory, "recorder.pub"))),
      "names the key that was seen",
    )
    t.deepEqual(server.attempts, [])
  })
}

test("the recording server would have recorded: with the right key it sees the password tried", async t => {
  const target: Target = { host: "127.0.0.1", port: recorder.port, user: "root", sshConfig: false }
  await t.throwsAsync(connect({ ...target, hostKey: publicKey("recorder"), password: new Secret("x") }), {
    instanceOf: ConnectError,
  })
  t.deepEqual(recorder.attempts, ["root password"])
})

test("an unknown host's error says how to compare its key and gives the line that would trust it", async t => {
  const error = await t.throwsAsync(connect(byFiles([knownHosts("")])), { instanceOf: ConnectError })
  t.is(error?.kind, "host-key-unknown")
  t.true(error?.message.includes("ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub"))
  t.true(error?.message.includes(sshd.hostKey.split(" ").slice(0, 2).join(" ")))
})

test("accept-new writes the key down once, and holds the host to it from then on", async t => {
  const file = join(directory, "made", "known_hosts")
  const target: Target = { ...byFiles([file]), hostKeyPolicy: "accept-new" }
  t.is(await connect(target), "in")
  t.is(await connect(target), "in")
  t.is(readFileSync(file, "utf8"), `${here()} ${sshd.hostKey.split(" ").slice(0, 2).join(" ")}\n`)
  t.is(await connect({ ...target, hostKeyPolicy: "strict" }), "in")
  const changed = await startFakeSshServer([join(directory, "other")])
  t.teardown(() => changed.stop())
  writeFileSync(file, readFileSync(file, "utf8").replace(String(sshd.port), String(changed.port)))
  const error = await t.throwsAsync(connect({ ...target, port: changed.port }), { instanceOf: ConnectError })
  t.is(error?.kind, "host-key-mismatch")
})

test("many who accept the same new host at once leave a file that is whole", async t => {
  const file = join(directory, "many_known_hosts")
  const target: Target = { ...byFiles([file]), hostKeyPolicy: "accept-new" }
  t.deepEqual(await Promise.all(Array.from({ length: 6 }, () => connect(target))), Array(6).fill("in"))
  const lines = readFileSync(file, "utf8").trimEnd().split("\n")
  t.deepEqual(lines, [`${here()} ${sshd.hostKey.split(" ").slice(0, 2).join(" ")}`])
})

test("accept-new writes nothing about a host that could not prove its key", async t => {
  const file = join(directory, "unproven")
  await t.throwsAsync(connect({ ...byFiles([file]), port: 1, hostKeyPolicy: "accept-new" }), {
    instanceOf: ConnectError,
  })
  t.false(existsSync(file))
})

test("of a host's several keys the one that is known is asked for", async t => {
  const server = await startSshd({ config: [`HostKey ${join(directory, "rsa")}`] })
  t.teardown(() => server.stop())
  t.is(await connect({ ...server.target, hostKey: publicKey("rsa") }), "in")
  t.is(await connect(server.target), "in")
})

for (const [what, hostKey] of [
  ["a word", "no-key"],
  ["an empty list", []],
  ["a key cut short", "ssh-ed25519 AAAAC3Nza"],
] as const) {
  test(`${what} as hostKey is an error of the target, before anything is dialled`, async t => {
    const error = await t.throwsAsync(connect({ ...sshd.target, port: 1, hostKey }), {
      instanceOf: ConnectError,
    })
    t.is(error?.kind, "target")
  })
}

test("a known_hosts file that cannot be read is an error, and not an empty file", async t => {
  const error = await t.throwsAsync(connect(byFiles([directory])), { instanceOf: ConnectError })
  t.is(error?.kind, "config")
  t.true(error?.message.includes(directory))
})
