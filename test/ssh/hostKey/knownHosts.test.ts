import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test from "ava"
import fc from "fast-check"
import {
  appendKnownHost,
  hostId,
  isAbout,
  parseKnownHosts,
} from "../../../provider/ssh/hostKey/knownHosts.ts"
import { makeKey } from "../../helpers/sshd.ts"

let directory: string
let keys: string[]

test.before(() => {
  directory = mkdtempSync(join(tmpdir(), "known-"))
  keys = [1, 2, 3].map(number => {
    makeKey(join(directory, `key${number}`))
    return readFileSync(join(directory, `key${number}.pub`), "utf8")
      .split(" ")
      .slice(0, 2)
      .join(" ")
  })
})

test.after.always(() => rmSync(directory, { recursive: true, force: true }))

const lines = (text: string, id: string): number[] =>
  parseKnownHosts(text, "file")
    .filter(entry => isAbout(entry, id))
    .map(entry => Number(entry.where.split(":").at(-1)))

/** The lines that OpenSSH itself finds. */
function sshKeygenFinds(text: string, id: string): number[] {
  const file = join(directory, "known_hosts")
  writeFileSync(file, text)
  const { stdout } = spawnSync("ssh-keygen", ["-F", id, "-f", file])
  return [...stdout.toString().matchAll(/^# Host .* found: line (\d+)/gm)].map(match => Number(match[1]))
}

for (const [what, line, id, found] of [
  ["a name", "www1 KEY", "www1", true],
  ["another name", "www1 KEY", "www2", false],
  ["a name in other case", "WWW1.Example KEY", "www1.example", true],
  ["one of several names", "www1,192.0.2.1 KEY", "192.0.2.1", true],
  ["a wildcard", "*.example.org KEY", "www1.example.org", true],
  ["a wildcard that does not reach", "*.example.org KEY", "example.org", false],
  ["a single-character wildcard", "www? KEY", "www1", true],
  ["a negated name", "*.example.org,!www2.example.org KEY", "www2.example.org", false],
  ["a port", "[www1]:2222 KEY", "[www1]:2222", true],
  ["another port", "[www1]:2222 KEY", "[www1]:2223", false],
  ["a port, asked for without", "[www1]:2222 KEY", "www1", false],
  ["an IPv6 address", "2001:db8::1 KEY", "2001:db8::1", true],
  ["an IPv6 address with a port", "[2001:db8::1]:2222 KEY", "[2001:db8::1]:2222", true],
  ["a revoked key", "@revoked www1 KEY", "www1", true],
  ["a certificate authority", "@cert-authority *.example KEY", "www1.example", true],
  ["tabs and a comment", "www1\tKEY a comment", "www1", true],
  ["a line that is a comment", "# www1 KEY", "www1", false],
] as const) {
  test(`${what}: found exactly when ssh-keygen finds it`, t => {
    const text = `\n${line.replace("KEY", keys[0] ?? "")}\n`
    t.deepEqual(lines(text, id), found ? [2] : [])
    t.deepEqual(lines(text, id), sshKeygenFinds(text, id))
  })
}

for (const [what, line] of [
  ["a key cut short", "www1 ssh-ed25519"],
  ["a type that is not the key's", "www1 ssh-rsa KEYDATA"],
  ["a marker that nobody knows", "@frobbed www1 KEY"],
  ["no base64 at all", "www1 ssh-ed25519 ###"],
] as const) {
  test(`a line with ${what} is not believed, and the next one is`, t => {
    const [type = "", data = ""] = keys[0]?.split(" ") ?? []
    const text = `${line.replace("KEYDATA", data).replace("KEY", `${type} ${data}`)}\nwww1 ${keys[1]}\n`
    t.deepEqual(lines(text, "www1"), [2])
  })
}

test("hashed names, written by ssh-keygen, are found", t => {
  const file = join(directory, "hashed")
  writeFileSync(file, `www1,192.0.2.1 ${keys[0]}\n[www2]:2222 ${keys[1]}\n`)
  spawnSync("ssh-keygen", ["-H", "-f", file])
  const text = readFileSync(file, "utf8")
  t.false(text.includes("www"))
  t.is(lines(text, "www1").length, 1)
  t.is(lines(text, "192.0.2.1").length, 1)
  t.is(lines(text, "[www2]:2222").length, 1)
  t.is(lines(text, "www2").length, 0)
})

test("generated files are read as OpenSSH reads them", t => {
  const label = fc.constantFrom("a", "b", "ab", "www", "*", "?", "a*", "*b", "w?w", "10.0.0.1")
  const pattern = fc
    .tuple(fc.boolean(), fc.array(label, { minLength: 1, maxLength: 3 }))
    .map(([not, labels]) => `${not ? "!" : ""}${labels.join(".")}`)
  const line = fc
    .tuple(
      fc.constantFrom("", "", "", "@revoked ", "@cert-authority "),
      fc.array(pattern, { minLength: 1, maxLength: 4 }),
      fc.nat(2),
    )
    .map(([marker, patterns, key]) => ({ marker, patterns, key }))
  const name = fc.array(fc.constantFrom("a", "b", "ab", "www", "wxw", "10.0.0.1"), {
    minLength: 1,
    maxLength: 3,
  })
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 5 }), name, (entries, labels) => {
      const text = entries
        .map(({ marker, patterns, key }) => `${marker}${patterns.join(",")} ${keys[key]}\n`)
        .join("")
      const id = labels.join(".")
      t.deepEqual(lines(text, id), sshKeygenFinds(text, id), text)
    }),
    { numRuns: 120, seed: 5 },
  )
})

test("a pattern that makes backtracking explode is matched at once", t => {
  t.deepEqual(lines(`${"*a".repeat(60)} ${keys[0]}\n`, `${"a".repeat(59)}${"b".repeat(60)}`), [])
})

test("a pinned key is found again, by OpenSSH too, and keeps what was there", t => {
  const file = join(directory, "new", "known_hosts")
  const [entry] = parseKnownHosts(`www1 ${keys[0]}`, "")
  appendKnownHost(file, hostId("www1", 22), entry!.key)
  // Somebody's editor left no newline at the end.
  writeFileSync(file, readFileSync(file, "utf8").trimEnd())
  appendKnownHost(file, hostId("WWW2", 2222), entry!.key)
  const text = readFileSync(file, "utf8")
  t.is(text, `www1 ${keys[0]}\n[www2]:2222 ${keys[0]}\n`)
  t.deepEqual(sshKeygenFinds(text, "[www2]:2222"), [2])
})
