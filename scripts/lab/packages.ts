import { createHash, randomUUID } from "node:crypto"
import { once } from "node:events"
import { createReadStream, createWriteStream } from "node:fs"
import { mkdir, rename, rm, stat } from "node:fs/promises"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { Socket } from "node:net"
import { dirname, join, normalize } from "node:path"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { $ } from "zx"
import { LabError } from "./errors.ts"
import { packagesDirectory } from "./paths.ts"

/**
 * The web server that guests see at http://10.0.2.9/: `/debian` and `/debian-security` are Debian's archives,
 * fetched from where this machine fetches them and kept; `/rpm/…` are the RPM repositories of that directory.
 */
export function packageServer(repositories?: string): Server {
  return createServer((request, response) => {
    answer(request, response, repositories).catch(error => {
      if (response.headersSent) response.destroy()
      else response.writeHead(502, { "content-type": "text/plain" }).end(`${error.message}\n`)
    })
  })
}

/** The same on a free port of the loopback interface, for this machine's own programs. */
export async function servePackages(): Promise<AsyncDisposable & { url: string }> {
  const server = packageServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : address}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** Files of an archive whose name says what is in them: they never change, so they are fetched once. */
export const isImmutable = (path: string): boolean => /\/(pool|by-hash)\//.test(path)

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  repositories?: string,
): Promise<void> {
  const path = normalize(decodeURIComponent(new URL(request.url ?? "/", "http://lab").pathname))
  const [, archive = "", rest = ""] = /^\/([^/]+)\/(.*)$/.exec(path) ?? []
  if (request.method !== "GET" && request.method !== "HEAD") return void response.writeHead(405).end()
  if (archive === "rpm" && repositories) return send(join(repositories, rest), request, response)
  if (archive !== "debian" && archive !== "debian-security") return void response.writeHead(404).end()
  const file = join(packagesDirectory(), archive, rest)
  if (!(isImmutable(path) && (await exists(file)))) {
    const status = await fetchTo(file, `${await upstream(archive)}/${encodeURI(rest)}`)
    if (status !== 200) return void response.writeHead(status).end()
  }
  await send(file, request, response)
}

/** Fetches a file into the cache, whole or not at all. An unreachable upstream is survived by a kept copy. */
async function fetchTo(file: string, url: string): Promise<number> {
  const aside = `${file}.${randomUUID()}`
  try {
    const reply = await fetch(url)
    if (reply.status !== 200 || !reply.body) return reply.status
    await mkdir(dirname(file), { recursive: true })
    await pipeline(Readable.fromWeb(reply.body), createWriteStream(aside))
    await rename(aside, file)
  } catch (error) {
    await rm(aside, { force: true })
    if (!(await exists(file))) throw error
  }
  return 200
}

async function send(file: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const found = await stat(file).catch(() => undefined)
  if (!found?.isFile()) return void response.writeHead(404).end()
  const etag = createHash("sha256").update(`${found.ino} ${found.size} ${found.mtimeMs}`).digest("base64url")
  const headers = { etag: `"${etag}"`, "last-modified": found.mtime.toUTCString() }
  const since = Date.parse(request.headers["if-modified-since"] ?? "")
  if (request.headers["if-none-match"] === headers.etag || since >= Math.floor(found.mtimeMs / 1000) * 1000) {
    return void response.writeHead(304, headers).end()
  }
  response.writeHead(200, { ...headers, "content-length": found.size })
  if (request.method === "HEAD") return void response.end()
  await pipeline(createReadStream(file), response)
}

const exists = (file: string) =>
  stat(file).then(
    found => found.isFile(),
    () => false,
  )

let known: Promise<Record<string, string>> | undefined

/** Where this machine gets the archive: `$LAB_DEBIAN_MIRROR`, else what its own apt is configured to use. */
async function upstream(archive: "debian" | "debian-security"): Promise<string> {
  const mirror = process.env.LAB_DEBIAN_MIRROR
  if (mirror) return `${mirror.replace(/\/+$/, "")}/${archive}`
  known ??= $({ quiet: true })`apt-get indextargets --format ${"$(ORIGIN) $(RELEASE) $(REPO_URI)"}`.then(
    output =>
      Object.fromEntries(
        output.stdout
          .split("\n")
          .map(line => line.split(" "))
          .filter(([origin]) => origin === "Debian")
          .map(([, release = "", uri = ""]) => [
            release.endsWith("-security") ? "debian-security" : "debian",
            uri.replace(/\/+$/, ""),
          ]),
      ),
  )
  const found = (await known)[archive]
  if (found) return found
  throw new LabError(
    `find the ${archive} archive`,
    "this machine's apt is not configured for it",
    "Set LAB_DEBIAN_MIRROR to the URL of a mirror that has /debian and /debian-security below it",
  )
}

// QEMU starts this file once for each connection of a guest, with the connection as standard input and output.
if (process.argv[1] === import.meta.filename) {
  packageServer(process.argv[2]).emit("connection", new Socket({ fd: 0, readable: true, writable: true }))
}
