import { execFileSync } from "node:child_process"
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test from "ava"
import { readHostCertificate } from "../../../provider/ssh/hostKey/certificate.ts"
import { ConnectError, ConnectionPool } from "../../../provider/ssh/index.ts"
import { makeKey, type Sshd, startSshd } from "../../helpers/sshd.ts"

let directory: string
const at = (name: string): string => join(directory, name)
const read = (name: string): string => readFileSync(at(name), "utf8").trim()
const blob = (line: string): Buffer => Buffer.from(line.split(" ")[1] ?? "", "base64")

test.before(() => {
  directory = mkdtempSync(join(tmpdir(), "certificate-"))
  for (const type of ["ed25519", "ecdsa", "rsa"]) makeKey(at(`ca_${type}`), { type })
})
test.after.always(() => rmSync(directory, { recursive: true, force: true }))

let number = 0
/** A host key that ssh-keygen signed. */
function sign(ca: string, type: string, ...args: string[]): string {
  const name = `host${number++}`
  makeKey(at(name), { type })
  execFileSync("ssh-keygen", ["-q", "-s", at(ca), "-I", "web", ...args, at(`${name}.pub`)])
  return name
}

async function connect(name: string, knownHosts: string): Promise<string> {
  const config = [`HostKey ${at(name)}`, `HostCertificate ${at(`${name}-cert.pub`)}`]
  const sshd: Sshd = await startSshd({ config })
  const pool = new ConnectionPool()
  try {
    const file = at(`known${number++}`)
    writeFileSync(file, knownHosts)
    const { hostKey: _, ...target } = sshd.target
    return (await (await pool.get({ ...target, knownHosts: [file] })).run(["echo", "in"])).stdout.trim()
  } finally {
    await pool.close()
    await sshd.stop()
  }
}

const authority = (ca: string): string => `@cert-authority * ${read(`${ca}.pub`)}\n`

for (const ca of ["ca_ed25519", "ca_ecdsa", "ca_rsa"]) {
  for (const type of ["ed25519", "ecdsa", "rsa"]) {
    test(`a host whose ${type} key was certified by ${ca} is believed`, async t => {
      t.is(await connect(sign(ca, type, "-h", "-n", "127.0.0.1,www1"), authority(ca)), "in")
    })
  }
}

for (const [what, args, known, kind] of [
  ["by an unknown authority", ["-h", "-n", "127.0.0.1"], "ca_ecdsa", "host-certificate"],
  ["for another host", ["-h", "-n", "www1"], "ca_ed25519", "host-certificate"],
  ["for no host", ["-h"], "ca_ed25519", "host-certificate"],
  [
    "for a time that is over",
    ["-h", "-n", "127.0.0.1", "-V", "20200101:20210101"],
    "ca_ed25519",
    "host-certificate",
  ],
  ["as a user's", ["-n", "127.0.0.1"], "ca_ed25519", "host-certificate"],
] as const) {
  test(`a host that was certified ${what} is not believed`, async t => {
    const name = sign("ca_ed25519", "ed25519", ...args)
    // sshd itself refuses to load a user's certificate: then it shows none, which is as bad.
    const error = await t.throwsAsync(connect(name, authority(known)), { instanceOf: ConnectError })
    t.is(error?.kind, kind)
    t.regex(error?.message ?? "", /Have the authority sign the host's key anew/)
  })
}

test("an authority that was revoked certifies nobody", async t => {
  const name = sign("ca_ed25519", "ed25519", "-h", "-n", "127.0.0.1")
  const known = `${authority("ca_ed25519")}@revoked * ${read("ca_ed25519.pub")}\n`
  const error = await t.throwsAsync(connect(name, known), { instanceOf: ConnectError })
  t.is(error?.kind, "host-certificate")
})

test("a stolen certificate is of no use without the key that it certifies", async t => {
  const victim = sign("ca_ed25519", "ed25519", "-h", "-n", "127.0.0.1")
  const { key } = readHostCertificate(blob(read(`${victim}-cert.pub`)), "127.0.0.1", [
    blob(read("ca_ed25519.pub")),
  ]) as { key: Buffer }
  t.true(key.equals(blob(read(`${victim}.pub`))))
  const thief = `host${number++}`
  makeKey(at(thief))
  copyFileSync(at(`${victim}-cert.pub`), at(`${thief}-cert.pub`))
  await t.throwsAsync(connect(thief, authority("ca_ed25519")), { instanceOf: ConnectError })
})

test("a certificate with any one bit changed, or cut anywhere, is not believed", t => {
  const name = sign("ca_ed25519", "ed25519", "-h", "-n", "127.0.0.1")
  const certificate = blob(read(`${name}-cert.pub`))
  const authorities = [blob(read("ca_ed25519.pub"))]
  t.true("key" in readHostCertificate(certificate, "127.0.0.1", authorities))
  for (let at = 0; at < certificate.length; at++) {
    const altered = Buffer.from(certificate)
    altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8))
    t.true("problem" in readHostCertificate(altered, "127.0.0.1", authorities), `byte ${at}`)
    t.true(
      "problem" in readHostCertificate(certificate.subarray(0, at), "127.0.0.1", authorities),
      `cut at ${at}`,
    )
  }
})
