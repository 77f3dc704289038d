import { createHash } from "node:crypto"
import test from "ava"
import { make, newFolder, removeFolder } from "./support/build.ts"
import { Client } from "./support/client.ts"
import { Replay } from "./support/replay.ts"

let dist: string

test.before(async () => {
  dist = await newFolder()
  await make("posix", dist)
})

test.after.always(() => removeFolder(dist))

/** Sends the text over one connection; the statuses that came back, the last body, and whether it was closed. */
async function ask(
  text: string,
): Promise<{ statuses: string[]; body: string; head: string; closed: boolean }> {
  const replay = Replay.start(dist, [`--ipv4=10.0.0.2/24 --version-text='v "1"'`])
  const client = await new Client(replay, 40000).connect()
  for (let at = 0; at < text.length; at += 1400) await client.write(text.slice(at, at + 1400))
  await replay.end()
  const answers = client.received.split(/(?=HTTP\/1\.1 \d)/).filter(Boolean)
  const [head = "", body = ""] = (answers.at(-1) ?? "").split(/\r\n\r\n([\s\S]*)/)
  return { statuses: answers.map(answer => answer.slice(9, 12)), head, body, closed: client.finished }
}

const host = "Host: h\r\n"
const cases: [string, string, string[], boolean][] = [
  ["GET", `GET /health HTTP/1.1\r\n${host}\r\n`, ["200"], false],
  ["a query", `GET /health?x=1 HTTP/1.1\r\n${host}\r\n`, ["200"], false],
  ["Connection: close", `GET / HTTP/1.1\r\n${host}Connection: close\r\n\r\n`, ["200"], true],
  ["HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", ["200"], true],
  ["names and values in capitals", "GET / HTTP/1.1\r\nCONNECTION: CLOSE\r\n\r\n", ["200"], true],
  ["an unknown path", `GET /nope HTTP/1.1\r\n${host}\r\n`, ["404"], false],
  ["an unknown method", `DELETE / HTTP/1.1\r\n${host}\r\n`, ["501"], false],
  ["a method in lower case", `get / HTTP/1.1\r\n${host}\r\n`, ["501"], false],
  ["a body, which is not read", `POST / HTTP/1.1\r\n${host}Content-Length: 2\r\n\r\nGE`, ["400"], true],
  ["a body in chunks", `GET / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, ["400"], true],
  ["a length that is no number", `GET / HTTP/1.1\r\n${host}Content-Length: -1\r\n\r\n`, ["400"], true],
  ["no path", `GET HTTP/1.1\r\n${host}\r\n`, ["400"], true],
  ["a path without a slash", `GET x HTTP/1.1\r\n${host}\r\n`, ["400"], true],
  ["garbage", "\x16\x03\x01\x02\r\n\r\n", ["400"], true],
  ["HTTP/2", `GET / HTTP/2.0\r\n${host}\r\n`, ["400"], true],
  ["a zero byte", "GET / HTTP/1.1\r\nX: \0", ["400"], true],
  ["an empty line", "\r\n\r\n", ["400"], true],
  ["a head that is too large", `GET / HTTP/1.1\r\n${host}X: ${"y".repeat(5000)}\r\n\r\n`, ["400"], true],
  [
    "two requests at once",
    `GET / HTTP/1.1\r\n${host}\r\nGET /nope HTTP/1.1\r\n${host}\r\n`,
    ["200", "404"],
    false,
  ],
  ["a request after the last", `GET / HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\n${host}\r\n`, ["200"], true],
]

for (const [name, text, statuses, closed] of cases) {
  test(`${name}: ${statuses.join(", ")}${closed ? ", then it closes" : ""}`, async t => {
    const answer = await ask(text)
    t.deepEqual(answer.statuses, statuses)
    t.is(answer.closed, closed)
  })
}

test("a HEAD has the length of the body and no body", async t => {
  const answer = await ask(`HEAD /health HTTP/1.1\r\n${host}\r\n`)
  t.regex(answer.head, /Content-Length: 3\r\n/)
  t.is(answer.body, "")
})

test("the first page tells name, version, build, uptime and requests", async t => {
  const { body } = await ask(`GET / HTTP/1.1\r\n${host}\r\n`)
  t.regex(body, /^name: hello\nversion: v "1"\nbuild: [0-9a-f]{40}\nuptime: \d+ ms\nrequests: 1\n$/)
})

test("the disk's digest is that of its bytes", async t => {
  const expected = createHash("sha256").update("x".repeat(100_000)).digest("hex")
  const { body } = await ask(`GET /disk HTTP/1.1\r\n${host}\r\n`)
  t.is(body, `sha256: ${expected}\nbytes: 100000\n`)
})
