import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import test from "ava"
import {
  ConnectError,
  type Connection,
  ConnectionLostError,
  ConnectionPool,
  RemoteCommandError,
} from "../../provider/ssh/index.ts"
import { startFakeSshServer } from "../helpers/fakeSshServer.ts"
import { Saboteur } from "../helpers/saboteur.ts"
import { makeKey, type Sshd, startSshd } from "../helpers/sshd.ts"

/** Every loss must be noticed within 15 s; this is what a slow machine may add. */
const NOTICED_WITHIN = 15_000
let sshd: Sshd
let directory: string

test.before(async () => {
  sshd = await startSshd()
  directory = mkdtempSync(join(tmpdir(), "sabotage-"))
  makeKey(join(directory, "host_key"))
})

test.after.always(async () => {
  await sshd?.stop()
  rmSync(directory, { recursive: true, force: true })
})

interface Scene {
  network: Saboteur
  pool: ConnectionPool
  host: Connection
}

async function scene(t: { teardown(work: () => Promise<void>): void }): Promise<Scene> {
  const network = await Saboteur.before(sshd.port)
  const pool = new ConnectionPool()
  t.teardown(async () => {
    await network.close()
    await pool.close()
  })
  const host = await pool.get({ ...sshd.target, port: network.port })
  return { network, pool, host }
}

const ways = [
  ["a reset", "reset"],
  ["an orderly end", "finish"],
  ["a network that swallows everything", "freeze"],
] as const

for (const [what, act] of ways) {
  test(`${what} in the middle of a command is an error of its own, in time`, async t => {
    const { network, host } = await scene(t)
    const start = performance.now()
    const running = host.run(["sleep", "60"])
    setTimeout(network[act], 300)
    const error = await t.throwsAsync(running, { instanceOf: ConnectionLostError })
    t.true(error?.started)
    t.true(performance.now() - start < NOTICED_WITHIN)
    t.regex(error?.message ?? "", /was lost while running `sleep 60`: .*run again to converge/)
  })

  test(`after ${what} the next command has a new connection, verified again`, async t => {
    const { network, host } = await scene(t)
    await t.throwsAsync(Promise.all([host.run(["sleep", "60"]), sleep(200).then(network[act])]), {
      instanceOf: ConnectionLostError,
    })
    t.is((await host.run(["echo", "back"])).stdout, "back\n")
    t.is(network.connections, 2)
  })

  test(`${what} between two commands costs nothing but a new connection`, async t => {
    const { network, host } = await scene(t)
    await host.run(["true"])
    network[act]()
    await sleep(act === "freeze" ? 12_500 : 300)
    t.is((await host.run(["echo", "back"])).stdout, "back\n")
  })

  test(`${what} fails all commands that run at the time`, async t => {
    const { network, host } = await scene(t)
    const running = Array.from({ length: 12 }, () => host.run(["sleep", "60"]))
    setTimeout(network[act], 400)
    const results = await Promise.allSettled(running)
    t.true(results.every(({ status }) => status === "rejected"))
    for (const result of results) {
      if (result.status === "rejected") t.true(result.reason instanceof ConnectionLostError)
    }
  })

  test(`${what} while much is printed is an error, and not the end of the output`, async t => {
    const { network, host } = await scene(t)
    const running = host.run(["sh", "-c", "while seq 1000; do :; done"], { keep: "tail" })
    setTimeout(network[act], 500)
    await t.throwsAsync(running, { instanceOf: ConnectionLostError })
  })

  test(`${what} during the handshake, at every stage, is an error of connecting`, async t => {
    const { network } = await scene(t)
    const whole = network.sent
    for (const share of [0, 0.1, 0.3, 0.5, 0.7, 0.85, 0.97]) {
      const bytes = Math.max(1, Math.floor(whole * share))
      const pool = new ConnectionPool()
      const again = (): void => {
        network[act]()
        network.after(bytes, again)
      }
      network.after(bytes, again)
      const error = await t.throwsAsync(pool.get({ ...sshd.target, port: network.port, connectTimeout: 600 }))
      t.true(error instanceof ConnectError, `after ${bytes} of ${whole} bytes: ${error}`)
      const { kind } = error as ConnectError
      t.true(kind === "closed" || kind === "timeout" || kind === "unreachable", kind)
      await pool.close()
    }
  })
}

test("silence while the host works is no loss: a command may say nothing for longer than a loss takes", async t => {
  const { host } = await scene(t)
  t.is((await host.run(["sh", "-c", "sleep 13; echo done"])).stdout, "done\n")
})

test("a host whose sshd is killed in mid-command is a loss", async t => {
  const { host } = await scene(t)
  const { stdout } = await host.run(["sh", "-c", "echo $PPID"])
  const running = host.run(["sleep", "61"])
  await sleep(200)
  process.kill(Number(stdout), "SIGKILL")
  const error = await t.throwsAsync(running, { instanceOf: ConnectionLostError })
  t.true(error?.started)
})

test("a server that ends a command without saying how is an error, never a success", async t => {
  const server = await startFakeSshServer([join(directory, "host_key")], client => {
    client.on("authentication", context => context.accept())
    client.on("session", accept => {
      accept().on("exec", (acceptExec, _reject, { command }) => {
        const channel = acceptExec()
        channel.write(`${/pulumi-xen:started/.exec(command)?.[0]} 1\nsome output\n`)
        channel.close()
      })
    })
  })
  const pool = new ConnectionPool()
  t.teardown(async () => {
    await pool.close()
    await server.stop()
  })
  const host = await pool.get({ ...sshd.target, port: server.port, hostKey: publicKey() })
  const error = await t.throwsAsync(host.run(["true"]), { instanceOf: RemoteCommandError })
  t.like(error, { exit: null, signal: null, stdout: "some output\n" })
  t.regex(error?.message ?? "", /without saying how/)
})

test("a server that says everything in one packet is heard", async t => {
  // It corks its socket, so that the confirmation, the output, the exit code and the end arrive at once.
  const server = await startFakeSshServer([join(directory, "host_key")], client => {
    client.on("authentication", context => context.accept())
    client.on("session", accept => {
      const session = accept()
      session.on("exec", acceptExec => {
        const socket = (client as unknown as { _sock: Socket })._sock
        socket.cork()
        const channel = acceptExec()
        channel.write("pulumi-xen:started 1\nall at once\n")
        channel.exit(0)
        channel.close()
        setTimeout(() => socket.uncork(), 50)
      })
    })
  })
  const pool = new ConnectionPool()
  t.teardown(async () => {
    await pool.close()
    await server.stop()
  })
  const host = await pool.get({ ...sshd.target, port: server.port, hostKey: publicKey() })
  for (let count = 0; count < 20; count++) t.is((await host.run(["true"])).stdout, "all at once\n")
})

test("a server that goes away in the middle of a jump is a loss of the host behind it", async t => {
  const { network, pool } = await scene(t)
  const behind = await pool.get({ ...sshd.target, via: { ...sshd.target, port: network.port } })
  const running = behind.run(["sleep", "60"])
  setTimeout(network.reset, 300)
  await t.throwsAsync(running, { instanceOf: ConnectionLostError })
  t.is((await behind.run(["echo", "back"])).stdout, "back\n")
})

/** Servers that are none. */
for (const [what, greet, kind] of [
  ["a server that never says a word", (): void => {}, "timeout"],
  [
    "a server that speaks HTTP",
    (socket: Socket): void => void socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"),
    "timeout",
  ],
  ["a server that closes at once", (socket: Socket): void => void socket.end(), "closed"],
  [
    "a server that says its version and goes",
    (socket: Socket): void => void socket.end("SSH-2.0-x\r\n"),
    "closed",
  ],
  [
    "a server that says its version and no more",
    (socket: Socket): void => void socket.write("SSH-2.0-x\r\n"),
    "timeout",
  ],
  [
    "a server that sends noise",
    (socket: Socket): void => void socket.write(`SSH-2.0-x\r\n${"\u0000noise".repeat(500)}`),
    "protocol",
  ],
  ["a server of SSH 1", (socket: Socket): void => void socket.write("SSH-1.5-old\r\n"), "protocol"],
] as const) {
  test(`${what} is an error of connecting`, async t => {
    const sockets = new Set<Socket>()
    const server = createServer(socket => {
      sockets.add(socket)
      socket.on("error", () => {})
      greet(socket)
    })
    await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve))
    const pool = new ConnectionPool()
    t.teardown(async () => {
      await pool.close()
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    })
    const { port } = server.address() as { port: number }
    const error = await t.throwsAsync(pool.get({ ...sshd.target, port, connectTimeout: 1000 }), {
      instanceOf: ConnectError,
    })
    t.is(error?.kind, kind)
  })
}

test("sshd that comes up while we connect is waited for", async t => {
  const late = await startSshd()
  await late.stop()
  const again = startLate(late.port)
  const pool = new ConnectionPool()
  const host = await pool.get({ ...sshd.target, port: late.port, hostKey: sshd.hostKey })
  t.is((await host.run(["echo", "up"])).stdout, "up\n")
  await pool.close()
  await (await again).stop()
})

async function startLate(port: number): Promise<Sshd> {
  await sleep(300)
  return startSshd({ port, directory: sshd.directory })
}

function publicKey(): string {
  return readFileSync(join(directory, "host_key.pub"), "utf8").trim()
}
