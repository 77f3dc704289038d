import { once } from "node:events"
import http2 from "node:http2"
import { syncBuiltinESMExports } from "node:module"
import { type AddressInfo, connect } from "node:net"
import timers from "node:timers/promises"
import type * as grpc from "@grpc/grpc-js"
import test from "ava"
import { boxUrn, startToy } from "../helpers/toyProvider.ts"

test("a provider that stops answers what is under way and lets its connections go", async t => {
  const { client, engine, server, registry } = await startToy()
  const waiting = t.throwsAsync(client.create(boxUrn, { name: "chest", size: 3, mood: "wait" }))
  while (engine.lines.length === 0) await new Promise(done => setTimeout(done, 5))
  await server.stop("interrupted")
  t.regex(((await waiting) as grpc.ServiceError).details, /^interrupted/)
  t.true(registry.closed())
  client.close()
  engine.stop()
})

/** What servers' sessions inherit `destroy` from: Node does not export it. */
async function sessionPrototype(): Promise<http2.Http2Session> {
  const server = http2.createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const [session] = (await once(server, "session")) as [http2.ServerHttp2Session]
  client.destroy()
  server.close()
  return Object.getPrototypeOf(Object.getPrototypeOf(session))
}

test.serial("a provider stops at once when the engine's connection is reset at that very moment", async t => {
  const { client, engine, server, registry } = await startToy()
  const socket = connect(server.port, "127.0.0.1")
  const session = http2.connect(`http://127.0.0.1:${server.port}`, { createConnection: () => socket })
  session.on("error", () => {})
  await once(session, "remoteSettings")
  const port = socket.localPort
  const sessions = await sessionPrototype()
  const { destroy } = sessions
  const { setTimeout } = timers
  t.teardown(() => {
    sessions.destroy = destroy
    timers.setTimeout = setTimeout
    syncBuiltinESMExports()
  })
  // Between the end of a session and the word of it.
  const stopped = new Promise<void>(resolve => {
    sessions.destroy = function (this: http2.Http2Session, ...how) {
      const isIt = this.socket?.remotePort === port && !this.destroyed
      destroy.apply(this, how)
      if (isIt) resolve(server.stop("interrupted"))
    }
  })
  // Who waits for time to pass waits for ever.
  timers.setTimeout = (() => new Promise(() => {})) as typeof timers.setTimeout
  syncBuiltinESMExports()
  socket.resetAndDestroy()
  await stopped
  t.true(registry.closed())
  client.close()
  engine.stop()
})
