import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { createServer, type Server } from "node:https"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import anyTest, { type TestFn } from "ava"
import { pvhKernel } from "../helpers/kernels.ts"
import { startProvider } from "../helpers/providerProcess.ts"

type Provider = Awaited<ReturnType<typeof startProvider>>
const test = anyTest as TestFn<{
  folder: string
  server: Server
  address: string
  requests: string[]
  provider: Provider
}>

const kernel = pvhKernel("from afar")
const packed = gzipSync(kernel)
const digestOf = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex")

test.before(async t => {
  const folder = await mkdtemp(join(tmpdir(), "download-"))
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")]
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
  execFileSync(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      "-keyout",
      key,
      "-out",
      certificate,
      ...subject,
    ],
    { stdio: "ignore" },
  )
  const requests: string[] = []
  const server = createServer(
    { key: await readFile(key), cert: await readFile(certificate) },
    (request, response) => {
      requests.push(request.url!)
      if (request.url === "/hello.xen") response.end(kernel)
      else if (request.url === "/hello.xen.gz") response.end(packed)
      else if (request.url === "/broken") {
        response.writeHead(200, { "content-length": kernel.length })
        response.write(kernel.subarray(0, 50), () => response.destroy())
      } else response.writeHead(404).end()
    },
  )
  await new Promise<void>(done => server.listen(0, "localhost", done))
  const provider = await startProvider({
    NODE_EXTRA_CA_CERTS: certificate,
    XDG_CACHE_HOME: join(folder, "cache"),
  })
  const address = `https://localhost:${(server.address() as AddressInfo).port}`
  t.context = { folder, server, address, requests, provider }
})

test.after.always(async t => {
  await t.context.provider.stop()
  t.context.server.close()
  await rm(t.context.folder, { recursive: true })
})

const connection = { host: "127.0.0.1", port: 1 }
const urn = "urn:pulumi:s::p::xen:index:Kernel::far"

test.serial("a kernel at an https address is fetched once, and known by its digest ever after", async t => {
  const { provider, address, requests } = t.context
  const given = { connection, source: `${address}/hello.xen`, sha256: digestOf(kernel) }
  for (const round of [1, 2]) {
    const { inputs, failures } = await provider.client.check(urn, given)
    t.deepEqual(failures, [], `round ${round}`)
    t.is(inputs.sha256, digestOf(kernel))
  }
  t.deepEqual(requests, ["/hello.xen"])
})

for (const [what, digest] of [
  ["of the packed file", digestOf(packed)],
  ["of the kernel inside it", digestOf(kernel)],
] as const) {
  test.serial(`a packed kernel at an https address may be named by the digest ${what}`, async t => {
    const { provider, address } = t.context
    const given = { connection, source: `${address}/hello.xen.gz`, sha256: digest }
    const { inputs, failures } = await provider.client.check(urn, given)
    t.deepEqual(failures, [])
    t.is(inputs.sha256, digestOf(kernel))
  })
}

const wrong: [title: string, path: string, digest: string, reason: RegExp][] = [
  [
    "a page that is not there",
    "/nothing",
    digestOf(kernel.subarray(1)),
    /cannot be downloaded: the server answered 404 Not Found$/,
  ],
  [
    "a transfer that breaks off",
    "/broken",
    digestOf(kernel.subarray(2)),
    /cannot be downloaded: the transfer broke off \(/,
  ],
  [
    "another file than the digest says",
    "/hello.xen",
    "0".repeat(64),
    new RegExp(`has the SHA-256 ${digestOf(kernel)}, and 0{64} was asked for`),
  ],
]
for (const [title, path, digest, reason] of wrong) {
  test.serial(`${title} is one sentence that names the address`, async t => {
    const { provider, address } = t.context
    const { failures } = await provider.client.check(urn, {
      connection,
      source: address + path,
      sha256: digest,
    })
    t.is(failures.length, 1)
    t.true(failures[0]!.reason.startsWith(`kernel ${address}${path} `))
    t.regex(failures[0]!.reason, reason)
  })
}

test.serial("an https server whose certificate nobody vouches for is not believed", async t => {
  const { address, folder } = t.context
  const stranger = await startProvider({ XDG_CACHE_HOME: join(folder, "other-cache") })
  t.teardown(() => stranger.stop())
  const { failures } = await stranger.client.check(urn, {
    connection,
    source: `${address}/hello.xen`,
    sha256: digestOf(kernel),
  })
  t.regex(failures[0]!.reason, /cannot be downloaded: .*certificate/)
})

test.serial("a server that nobody answers at is one sentence", async t => {
  const given = { connection, source: "https://localhost:1/hello.xen", sha256: "1".repeat(64) }
  const { failures } = await t.context.provider.client.check(urn, given)
  t.regex(failures[0]!.reason, /^kernel https:\/\/localhost:1\/hello\.xen cannot be downloaded: /)
})
