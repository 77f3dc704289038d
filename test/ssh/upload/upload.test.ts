import { spawn, spawnSync } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import test, { type ExecutionContext } from "ava"
import { Secret } from "../../../provider/secret.ts"
import type { SshConnection } from "../../../provider/ssh/connection.ts"
import {
  AbortedError,
  type Connection,
  ConnectionLostError,
  ConnectionPool,
  UploadError,
  type UploadFailure,
} from "../../../provider/ssh/index.ts"
import { Arrival } from "../../../provider/ssh/upload/arrival.ts"
import { Saboteur } from "../../helpers/saboteur.ts"
import { type Sshd, startSshd } from "../../helpers/sshd.ts"

let sshd: Sshd
let pool: ConnectionPool
let host: Connection
let directory: string
const mounts: string[] = []
const MIB = 1024 * 1024

test.before(async () => {
  sshd = await startSshd()
  pool = new ConnectionPool()
  host = await pool.get(sshd.target)
  directory = mkdtempSync(join(tmpdir(), "upload-"))
})

test.after.always(async () => {
  await pool?.close()
  await sshd?.stop()
  for (const mount of mounts) spawnSync("umount", [mount])
  rmSync(directory, { recursive: true, force: true })
})

let places = 0
/** An empty directory on the host. */
function place(): string {
  const path = join(directory, `place${places++}`)
  mkdirSync(path)
  return path
}

/** Another host with an empty directory, whose sshd is configured so. */
async function elsewhere(t: ExecutionContext, ...config: string[]) {
  const sshd = await startSshd({ config })
  const pool = new ConnectionPool()
  t.teardown(async () => {
    await pool.close()
    await sshd.stop()
  })
  return { sshd, host: await pool.get(sshd.target), at: place() }
}

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

for (const size of [0, 1, 1000, 256 * 1024, 256 * 1024 + 1, 5 * MIB + 17]) {
  test(`${size} bytes arrive whole, from memory and from a file`, async t => {
    const bytes = randomBytes(size)
    const at = place()
    const source = join(directory, `source${size}`)
    writeFileSync(source, bytes)
    for (const [name, from] of [
      ["memory", bytes],
      ["file", source],
    ] as const) {
      const path = join(at, name)
      t.deepEqual(await host.upload(from, path), { bytes: size, size, sha256: digest(bytes) })
      t.true(readFileSync(path).equals(bytes))
      t.is(statSync(path).mode & 0o777, 0o644)
    }
    t.deepEqual(readdirSync(at).toSorted(), ["file", "memory"])
  })
}

for (const [what, size] of [
  ["a small file", 1000],
  ["a file", MIB],
] as const) {
  test(`${what} that is there already is not sent again, and only its permissions are put right`, async t => {
    const path = join(place(), "kernel")
    const bytes = randomBytes(size)
    await host.upload(bytes, path, { mode: 0o600 })
    const before = statSync(path)
    t.like(await host.upload(bytes, path, { mode: 0o640 }), { bytes: 0, size, sha256: digest(bytes) })
    t.is(statSync(path).ino, before.ino)
    t.is(statSync(path).mode & 0o777, 0o640)
    t.is(readdirSync(join(path, "..")).length, 1)
  })

  test(`${what} replaces another one of the same size that is there, in one step`, async t => {
    const path = join(place(), "kernel")
    const [old, fresh] = [randomBytes(size), randomBytes(size)]
    await host.upload(old, path)
    t.like(await host.upload(fresh, path), { bytes: size, sha256: digest(fresh) })
    t.true(readFileSync(path).equals(fresh))
  })
}

test("progress is told, from nothing to all", async t => {
  const seen: number[] = []
  const bytes = randomBytes(2 * MIB)
  await host.upload(bytes, join(place(), "kernel"), { onProgress: (sent, total) => seen.push(sent / total) })
  t.is(seen[0], 0)
  t.is(seen.at(-1), 1)
  t.deepEqual(
    seen,
    seen.toSorted((a, b) => a - b),
  )
  t.true(seen.length > 4)
})

test("a name with everything that a shell could misread is that file's name", async t => {
  const at = place()
  const name = 'it\'s $(a) "name" \\ with\nnewline * ? -rf'
  await host.upload(Buffer.from("x"), join(at, name))
  await host.writeFile(join(at, `-${name}`), "y")
  t.deepEqual(readdirSync(at).toSorted(), [`-${name}`, name].toSorted())
})

/** What runs on this machine, which is the host, too. */
const running = (): string[] => spawnSync("ps", ["-eo", "args"]).stdout.toString().split("\n")

interface Failure {
  what: string
  kind: UploadFailure
  pattern: RegExp
  /** Makes the circumstances, and names the path. */
  path: () => string
  source?: () => string
}

const failures: readonly Failure[] = [
  {
    what: "a full file system",
    kind: "no-space",
    pattern: /the file system is full/,
    path: () => join(mount("tmpfs", "-t", "tmpfs", "-o", "size=1m", "tmpfs"), "kernel"),
  },
  {
    what: "a read-only file system",
    kind: "read-only",
    pattern: /mounted read-only/,
    path: () => {
      const inside = place()
      const path = mount("bind", "--bind", inside)
      spawnSync("mount", ["-o", "remount,bind,ro", path])
      return join(path, "kernel")
    },
  },
  {
    what: "a directory that does not exist",
    kind: "no-directory",
    pattern: /its directory does not exist\. Create it first/,
    path: () => join(directory, "nowhere", "kernel"),
  },
  {
    what: "a directory under the name",
    kind: "is-directory",
    pattern: /there is a directory of that name/,
    path: () => {
      const path = join(place(), "kernel")
      mkdirSync(path)
      return path
    },
  },
  { what: "a relative path", kind: "path", pattern: /a file's path is absolute/, path: () => "kernel" },
  {
    what: "a path that names a directory",
    kind: "path",
    pattern: /does not end in a slash/,
    path: () => "/tmp/",
  },
  {
    what: "a source that does not exist",
    kind: "source",
    pattern: /missing: there is no such file/,
    path: () => join(place(), "kernel"),
    source: () => join(directory, "missing"),
  },
  {
    what: "a directory as source",
    kind: "source",
    pattern: /it is a directory/,
    path: () => join(place(), "kernel"),
    source: () => directory,
  },
]

let mountNumber = 0
/** These tests run as root, where real file systems can be made. */
function mount(name: string, ...args: string[]): string {
  const path = join(directory, `${name}${mountNumber++}`)
  mkdirSync(path)
  const { status, stderr } = spawnSync("mount", [...args, path])
  if (status !== 0) throw new Error(`mount: ${stderr}`)
  mounts.push(path)
  return path
}

for (const { what, kind, pattern, path: make, source } of failures) {
  test(`${what}: a sentence, and nothing is left behind`, async t => {
    const path = make()
    const at = path.startsWith("/") ? join(path, "..") : place()
    const before = existsSync(at) ? readdirSync(at) : undefined
    const error = await t.throwsAsync(host.upload(source?.() ?? randomBytes(4 * MIB), path), {
      instanceOf: UploadError,
    })
    t.is(error?.kind, kind)
    t.is(error?.path, path)
    t.regex(error?.message ?? "", pattern)
    t.true(error?.message.includes(host.name))
    t.deepEqual(existsSync(at) ? readdirSync(at) : undefined, before)
  })

  if (source) continue
  test(`${what}, for a small file: the same sentence`, async t => {
    const path = make()
    const at = path.startsWith("/") ? join(path, "..") : place()
    const before = existsSync(at) ? readdirSync(at) : undefined
    const error = await t.throwsAsync(host.writeFile(path, Buffer.alloc(2 * MIB)), {
      instanceOf: UploadError,
    })
    t.is(error?.kind, kind)
    t.regex(error?.message ?? "", pattern)
    t.deepEqual(existsSync(at) ? readdirSync(at) : undefined, before)
  })
}

test("a file that fills the last of the space while it is sent leaves nothing, and the old one stays", async t => {
  const at = mount("tmpfs", "-t", "tmpfs", "-o", "size=3m", "tmpfs")
  const path = join(at, "kernel")
  await host.upload(Buffer.alloc(MIB, 1), path)
  const error = await t.throwsAsync(host.upload(Buffer.alloc(8 * MIB, 2), path), { instanceOf: UploadError })
  t.is(error?.kind, "no-space")
  t.deepEqual(readdirSync(at), ["kernel"])
  t.true(readFileSync(path).equals(Buffer.alloc(MIB, 1)))
})

test("a digest that the source does not have is an error, and nothing is left behind", async t => {
  const at = place()
  const sha256 = digest(Buffer.from("something else"))
  const error = await t.throwsAsync(host.upload(randomBytes(MIB), join(at, "kernel"), { sha256 }), {
    instanceOf: UploadError,
  })
  t.is(error?.kind, "digest")
  t.true(error?.message.includes(sha256))
  t.deepEqual(readdirSync(at), [])
})

for (const [what, act] of [
  ["a reset", "reset"],
  ["an orderly end", "finish"],
  ["a network that swallows everything", "freeze"],
] as const) {
  test(`an upload that ${what} cuts goes on where it ended, over a new connection`, async t => {
    const network = await Saboteur.before(sshd.port)
    const own = new ConnectionPool()
    t.teardown(async () => {
      await network.close()
      await own.close()
    })
    const at = place()
    const bytes = randomBytes(24 * MIB)
    const connection = await own.get({ ...sshd.target, port: network.port })
    network.after(10 * MIB, network[act])
    const result = await connection.upload(bytes, join(at, "kernel"))
    t.is(result.sha256, digest(bytes))
    t.true(readFileSync(join(at, "kernel")).equals(bytes))
    t.deepEqual(readdirSync(at), ["kernel"])
    t.is(network.connections, 2)
    // Not all of it was sent twice.
    t.true(network.sent < 1.5 * bytes.length, `${network.sent}`)
  })
}

test("a small file that is cut off leaves nothing of it, and comes whole over the next connection", async t => {
  const at = place()
  const path = join(at, "kernel")
  for (let cut = 1; cut <= 12; cut++) {
    const network = await Saboteur.before(sshd.port)
    const own = new ConnectionPool()
    const connection = await own.get({ ...sshd.target, port: network.port })
    // Past the handshake's few kilobytes, in the middle of the file.
    network.after(5_000 + cut * 18_000, cut % 2 ? network.reset : network.finish)
    const bytes = randomBytes(220_000)
    const { bytes: sent } = await connection.upload(bytes, path)
    t.true(sent >= bytes.length)
    t.is(digest(readFileSync(path)), digest(bytes))
    await network.close()
    await own.close()
    // What the first connection had begun ends when the host's sshd has seen its end.
    for (let tries = 0; readdirSync(at).length > 1 && tries < 100; tries++) await sleep(50)
    t.deepEqual(readdirSync(at), ["kernel"])
  }
})

test("cut at many places, an upload always ends whole or with an error, and leaves no torn file", async t => {
  const at = place()
  const path = join(at, "kernel")
  let bytes: Buffer
  for (let cut = 1; cut <= 12; cut++) {
    const network = await Saboteur.before(sshd.port)
    const own = new ConnectionPool()
    const connection = await own.get({ ...sshd.target, port: network.port })
    const act = cut % 2 ? network.reset : network.finish
    const again = (): void => {
      act()
      network.after(cut * 110_000, again)
    }
    network.after(cut * 110_000, again)
    const before = existsSync(path) ? digest(readFileSync(path)) : undefined
    bytes = randomBytes(1.5 * MIB)
    const result = await connection.upload(bytes, path).catch((error: unknown) => error)
    const now = existsSync(path) ? digest(readFileSync(path)) : undefined
    if (result instanceof Error) {
      t.true(result instanceof ConnectionLostError || result.name === "ConnectError", `${result}`)
      t.true(now === before || now === digest(bytes))
    } else t.is(now, digest(bytes))
    await network.close()
    await own.close()
  }
})

test("a part that a killed run left is gone on with; one that was altered meanwhile is not believed", async t => {
  for (const altered of [false, true]) {
    const at = place()
    const source = join(directory, `resumed${altered}`)
    const bytes = randomBytes(16 * MIB)
    writeFileSync(source, bytes)
    const controller = new AbortController()
    const network = await Saboteur.before(sshd.port)
    const own = new ConnectionPool()
    const connection = await own.get({ ...sshd.target, port: network.port })
    // The process that sends "dies": its pool is closed under the upload, and nothing tidies up.
    network.after(8 * MIB, () => {
      network.freeze()
      void own.close()
    })
    await t.throwsAsync(connection.upload(source, join(at, "kernel"), { signal: controller.signal }))
    await network.close()
    const [part = ""] = readdirSync(at)
    t.regex(part, /^\.pulumi-xen-.*\.part$/)
    t.true(statSync(join(at, part)).size > 4 * MIB)
    if (altered) {
      const torn = readFileSync(join(at, part))
      torn[1000] = (torn[1000] ?? 0) ^ 1
      writeFileSync(join(at, part), torn)
    }
    const { bytes: sent } = await host.upload(source, join(at, "kernel"))
    t.is(sent === bytes.length, altered)
    t.true(readFileSync(join(at, "kernel")).equals(bytes))
    t.deepEqual(readdirSync(at), ["kernel"])
  }
})

test("an aborted upload leaves nothing behind", async t => {
  const at = place()
  const controller = new AbortController()
  const error = await t.throwsAsync(
    host.upload(randomBytes(32 * MIB), join(at, "kernel"), {
      signal: controller.signal,
      onProgress: sent => sent > MIB && controller.abort(),
    }),
    { instanceOf: AbortedError },
  )
  t.true(error?.message.includes("kernel"))
  t.deepEqual(readdirSync(at), [])
  t.false(running().some(line => line.includes(at)))
})

test("many who send the same at once, over several connections, all succeed", async t => {
  const pools = [pool, new ConnectionPool(), new ConnectionPool()]
  t.teardown(async () => void (await Promise.all(pools.slice(1).map(other => other.close()))))
  const hosts = await Promise.all(pools.map(each => each.get(sshd.target)))
  const source = join(directory, "same")
  for (let round = 0; round < 8; round++) {
    const at = place()
    const bytes = randomBytes(300_000 * (round + 1))
    writeFileSync(source, bytes)
    const sending = [...hosts, ...hosts].map(each => each.upload(source, join(at, "kernel")))
    for (const { sha256 } of await Promise.all(sending)) t.is(sha256, digest(bytes))
    t.deepEqual(readdirSync(at), ["kernel"])
    t.true(readFileSync(join(at, "kernel")).equals(bytes))
  }
})

test("a part that others make and finish at every moment is made all the same", async t => {
  const at = place()
  const part = join(at, ".pulumi-xen-0123456789abcdef.part")
  const others = spawn("sh", [
    "-c",
    'set -C; while :; do true >"$1"; rm -f "$1"; done 2>/dev/null',
    "sh",
    part,
  ])
  t.teardown(() => others.kill())
  const connection = (await pool.get(sshd.target)) as SshConnection
  const arrival = new Arrival(connection, { path: join(at, "kernel"), directory: at }, 0o644, undefined)
  for (let round = 0; round < 100; round++) t.like(await arrival.prepare(part, 1), { what: "part" })
})

test("parts that nobody has written to for an hour are swept away, younger ones stay", async t => {
  const at = place()
  const old = join(at, ".pulumi-xen-old.part")
  const young = join(at, ".pulumi-xen-young.part")
  for (const part of [old, young]) writeFileSync(part, "x")
  const hoursAgo = Date.now() / 1000 - 7200
  utimesSync(old, hoursAgo, hoursAgo)
  await host.upload(randomBytes(10), join(at, "kernel"))
  t.deepEqual(readdirSync(at).toSorted(), [".pulumi-xen-young.part", "kernel"])
})

test("a symbolic link under the part's name is not followed", async t => {
  const at = place()
  const victim = join(directory, "victim")
  writeFileSync(victim, "untouched")
  const bytes = randomBytes(MIB)
  const id = createHash("sha256")
    .update(`${digest(bytes)} ${join(at, "kernel")}`)
    .digest("hex")
    .slice(0, 16)
  symlinkSync(victim, join(at, `.pulumi-xen-${id}.part`))
  await host.upload(bytes, join(at, "kernel"))
  t.is(readFileSync(victim, "utf8"), "untouched")
  t.deepEqual(readdirSync(at), ["kernel"])
})

test.serial("memory does not grow with the file", async t => {
  const source = join(directory, "large")
  // Sparse here, and read as zeros.
  spawnSync("truncate", ["-s", "320M", source])
  const path = join(place(), "large")
  let peak = 0
  const before = process.memoryUsage.rss()
  await host.upload(source, path, {
    onProgress: () => {
      peak = Math.max(peak, process.memoryUsage.rss())
    },
  })
  rmSync(path)
  t.true(peak - before < 200 * MIB, `${(peak - before) / MIB} MiB more`)
})

test("an upload goes through many exchanges of keys", async t => {
  const { sshd: busy, host, at } = await elsewhere(t, "RekeyLimit 1M", "LogLevel DEBUG1")
  const bytes = randomBytes(12 * MIB)
  t.is((await host.upload(bytes, join(at, "kernel"))).bytes, bytes.length)
  t.true(readFileSync(join(at, "kernel")).equals(bytes))
  t.true(busy.log().split("SSH2_MSG_NEWKEYS received").length > 4)
})

for (const sessions of [1, 2, 3]) {
  test(`a host that allows ${sessions} session${sessions > 1 ? "s" : ""} at once takes many files at once`, async t => {
    const { host, at } = await elsewhere(t, `MaxSessions ${sessions}`)
    const files = Array.from({ length: 5 }, () => randomBytes(3 * MIB))
    await Promise.all(files.map((bytes, index) => host.upload(bytes, join(at, `${index}`))))
    for (const [index, bytes] of files.entries()) t.true(readFileSync(join(at, `${index}`)).equals(bytes))
    t.is(readdirSync(at).length, files.length)
  })
}

test("more files at once than a connection has sessions all arrive", async t => {
  const at = place()
  const files = Array.from({ length: 20 }, () => randomBytes(MIB))
  await Promise.all(files.map((bytes, index) => host.upload(bytes, join(at, `${index}`))))
  for (const [index, bytes] of files.entries()) t.true(readFileSync(join(at, `${index}`)).equals(bytes))
  t.is(readdirSync(at).length, files.length)
})

test("what somebody else puts in the part's place while it is sent never gets the name", async t => {
  const at = place()
  const path = join(at, "kernel")
  const bytes = randomBytes(24 * MIB)
  let replaced = false
  const onProgress = (sent: number): void => {
    if (replaced || sent < 12 * MIB) return
    replaced = true
    const [part = ""] = readdirSync(at)
    rmSync(join(at, part))
    writeFileSync(join(at, part), "torn")
  }
  const result = await host.upload(bytes, path, { onProgress }).catch((error: unknown) => error)
  t.true(replaced)
  // It depends on when the host opened the part whether this is seen in time to begin again.
  if (result instanceof Error) t.is((result as UploadError).kind, "digest")
  else t.true(readFileSync(path).equals(bytes))
  t.deepEqual(readdirSync(at), result instanceof Error ? [] : ["kernel"])
})

test("a small file needs no SFTP", async t => {
  const { host: bare, at } = await elsewhere(t, "Subsystem sftp /bin/false")
  t.is((await bare.upload(Buffer.from("x"), join(at, "kernel"))).bytes, 1)
})

for (const [what, subsystem] of [
  ["without SFTP", "/bin/false"],
  ["whose SFTP says something else", "/bin/echo Welcome"],
] as const) {
  test(`a host ${what} is an error that says so`, async t => {
    const { host: bare, at } = await elsewhere(t, `Subsystem sftp ${subsystem}`)
    const error = await t.throwsAsync(bare.upload(randomBytes(MIB), join(at, "kernel")), {
      instanceOf: UploadError,
    })
    t.is(error?.kind, "unsupported")
    t.regex(error?.message ?? "", /the host offers no SFTP\. Enable its subsystem/)
    t.deepEqual(readdirSync(at), [])
  })
}

test("a host whose SFTP tells no limits takes a file in pieces that every server takes", async t => {
  const { host: old, at } = await elsewhere(t, "Subsystem sftp internal-sftp -P limits")
  const bytes = randomBytes(5 * MIB)
  await old.upload(bytes, join(at, "kernel"))
  t.true(readFileSync(join(at, "kernel")).equals(bytes))
})

for (const [kind, content] of [
  ["text", "grüße\n"],
  ["bytes", Buffer.from("grüße\n")],
  ["a secret", new Secret("grüße\n")],
] as const) {
  test(`a small file is written from ${kind}, for its owner alone unless said otherwise`, async t => {
    const path = join(place(), "small")
    await host.writeFile(path, content)
    t.is(readFileSync(path, "utf8"), "grüße\n")
    t.is(statSync(path).mode & 0o777, 0o600)
    await host.writeFile(path, "public", { mode: 0o644 })
    t.is(statSync(path).mode & 0o777, 0o644)
    t.deepEqual(readdirSync(join(path, "..")), ["small"])
  })
}

test("a small file whose connection is cut is written whole or not at all", async t => {
  const path = join(place(), "small")
  writeFileSync(path, "old")
  for (let cut = 1; cut <= 12; cut++) {
    const network = await Saboteur.before(sshd.port)
    const own = new ConnectionPool()
    const connection = await own.get({ ...sshd.target, port: network.port })
    network.after(cut * 2500, cut % 2 ? network.reset : network.finish)
    await connection.writeFile(path, Buffer.alloc(30_000, cut)).catch((error: unknown) => {
      t.true(error instanceof ConnectionLostError, `${error}`)
    })
    await network.close()
    await own.close()
    const now = readFileSync(path)
    t.true(now.toString() === "old" || now.length === 30_000)
  }
  chmodSync(path, 0o600)
})
