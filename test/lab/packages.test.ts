import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { createServer, type RequestListener } from "node:http"
import { connect, createServer as createTcpServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test from "ava"
import { isImmutable, servePackages } from "../../scripts/lab/packages.ts"
import { packagesDirectory } from "../../scripts/lab/paths.ts"

let reply: RequestListener
let requests: string[]
const upstream = createServer((request, response) => {
  requests.push(request.url!)
  reply(request, response)
})

test.before(async () => {
  process.env.PULUMI_XEN_CACHE = await mkdtemp(join(tmpdir(), "lab-packages-"))
  upstream.listen(0, "127.0.0.1")
  await once(upstream, "listening")
  const { port } = upstream.address() as { port: number }
  process.env.LAB_DEBIAN_MIRROR = `http://127.0.0.1:${port}/mirror/`
})

test.beforeEach(() => {
  requests = []
  reply = (request, response) => response.end(`content of ${request.url}`)
})

test.after.always(async () => {
  upstream.close()
  await rm(process.env.PULUMI_XEN_CACHE!, { recursive: true })
})

const get = async (path: string, init: RequestInit = {}) => {
  await using server = await servePackages()
  const response = await fetch(`${server.url}${path}`, init)
  return { status: response.status, text: await response.text(), headers: response.headers }
}

test.serial("a package is fetched once, however often it is asked for", async t => {
  const path = "/debian/pool/main/x/xen/xen_4.17%2b1_amd64.deb"
  const [first, second] = [await get(path), await get(path)]
  t.is(first.status, 200)
  t.is(first.text, "content of /mirror/debian/pool/main/x/xen/xen_4.17+1_amd64.deb")
  t.is(second.text, first.text)
  t.is(requests.length, 1)
})

test.serial(
  "an index is asked for anew each time, and the kept copy serves when upstream is gone",
  async t => {
    const path = "/debian-security/dists/bookworm-security/InRelease"
    await get(path)
    reply = (_, response) => response.end("newer")
    t.is((await get(path)).text, "newer")
    reply = (_, response) => response.destroy()
    t.is((await get(path)).text, "newer")
    t.is(requests.length, 3)
  },
)

test.serial("an index that has not changed is not sent again", async t => {
  const path = "/debian/dists/bookworm/Release"
  const { headers } = await get(path)
  reply = (_, response) => response.destroy()
  t.is((await get(path, { headers: { "if-none-match": headers.get("etag")! } })).status, 304)
  t.is((await get(path, { headers: { "if-modified-since": headers.get("last-modified")! } })).status, 304)
})

test.serial("a download that breaks off is an error and is not kept", async t => {
  reply = (_, response) => {
    response.writeHead(200, { "content-length": "1000" })
    response.write("half")
    setTimeout(() => response.destroy(), 50)
  }
  t.is((await get("/debian/pool/broken.deb")).status, 502)
  t.deepEqual(
    await readdir(join(packagesDirectory(), "debian/pool")).then(names =>
      names.filter(name => name.startsWith("broken")),
    ),
    [],
  )
  reply = (_, response) => response.end("whole")
  t.is((await get("/debian/pool/broken.deb")).text, "whole")
})

test.serial("upstream's own refusals are handed on and not kept", async t => {
  reply = (_, response) => response.writeHead(404).end()
  t.is((await get("/debian/pool/none.deb")).status, 404)
  reply = (_, response) => response.end("there now")
  t.is((await get("/debian/pool/none.deb")).text, "there now")
})

test.serial("the same package asked for by many at once is whole for each", async t => {
  const body = "x".repeat(300_000)
  reply = (_, response) => setTimeout(() => response.end(body), 20)
  const replies = await Promise.all(Array.from({ length: 8 }, () => get("/debian/pool/many.deb")))
  t.true(replies.every(({ status, text }) => status === 200 && text === body))
})

test.serial("a path cannot leave its archive, and there are no others", async t => {
  await mkdir(packagesDirectory(), { recursive: true })
  await writeFile(join(packagesDirectory(), "secret"), "secret")
  for (const path of [
    "/debian/%2e%2e/secret",
    "/debian/..%2fsecret",
    "/secret",
    "/rpm/signed/xen.rpm",
    "/",
  ]) {
    t.is((await get(path)).status, 404, path)
  }
  t.is((await get("/debian/pool/x", { method: "POST" })).status, 405)
  t.deepEqual(requests, [])
})

test.serial(
  "on standard input and output it serves one connection with several requests, as QEMU starts it",
  async t => {
    const repositories = await mkdtemp(join(tmpdir(), "lab-rpm-"))
    await mkdir(join(repositories, "signed"))
    await writeFile(join(repositories, "signed/repomd.xml"), "<repomd/>")
    // A socket as standard input and output, as slirp gives it to the program it starts.
    const listener = createTcpServer({ pauseOnConnect: true }).listen(0, "127.0.0.1")
    await once(listener, "listening")
    const client = connect((listener.address() as { port: number }).port, "127.0.0.1")
    const [socket] = await once(listener, "connection")
    const program = join(import.meta.dirname, "../../scripts/lab/packages.ts")
    const child = spawn(process.execPath, [program, repositories], { stdio: [socket, socket, "inherit"] })
    const request = (close: string) => `GET /rpm/signed/repomd.xml HTTP/1.1\r\nHost: lab\r\n${close}\r\n`
    client.write(request("") + request("Connection: close\r\n"))
    let heard = ""
    client.on("data", chunk => {
      heard += chunk
    })
    const [code] = await once(child, "exit")
    socket.destroy()
    listener.close()
    client.destroy()
    t.is(code, 0)
    t.is(heard.split("<repomd/>").length - 1, 2)
    t.is(await readFile(join(repositories, "signed/repomd.xml"), "utf8"), "<repomd/>")
    await rm(repositories, { recursive: true })
  },
)

test("what has its digest or version in its name is kept for ever, and indexes are not", t => {
  t.true(isImmutable("/debian/pool/main/b/bash/bash_5_amd64.deb"))
  t.true(isImmutable("/debian/dists/bookworm/main/binary-amd64/by-hash/SHA256/abc"))
  t.false(isImmutable("/debian/dists/bookworm/InRelease"))
  t.false(isImmutable("/debian/dists/bookworm/main/binary-amd64/Packages.xz"))
})
