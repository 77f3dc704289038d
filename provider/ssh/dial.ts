import { spawn } from "node:child_process"
import { connect, type Socket } from "node:net"
import { Duplex } from "node:stream"
import { AbortedError, ConnectError, type ConnectFailure } from "./errors.ts"
import type { Route } from "./route.ts"

/** A byte stream to the host's SSH server, before anything is said on it. */
export async function dial(route: Route, signal: AbortSignal | undefined): Promise<Duplex> {
  return route.proxyCommand === undefined ? dialTcp(route, signal) : dialCommand(route, route.proxyCommand)
}

function dialTcp({ name, hostName, port, timeout }: Route, signal: AbortSignal | undefined): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostName, port, noDelay: true })
    const timer = setTimeout(() => fail(timedOut(name, timeout)), timeout)
    const onAbort = (): void => fail(new AbortedError(name, "connecting", true))
    const settle = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener("abort", onAbort)
    }
    const fail = (error: Error): void => {
      settle()
      socket.destroy()
      reject(error)
    }
    const onError = (error: NodeJS.ErrnoException): void => fail(dialError(name, hostName, port, error))
    socket.once("error", onError)
    socket.once("connect", () => {
      settle()
      socket.off("error", onError)
      resolve(coalesced(socket))
    })
    signal?.addEventListener("abort", onAbort, { once: true })
  })
}

/**
 * ssh2 writes each packet in three pieces, and each piece would be a system call and, with Nagle's algorithm off, a
 * segment of its own. What is written in one go leaves in one go.
 */
function coalesced(socket: Socket): Socket {
  const write = socket.write
  const uncork = (): void => socket.uncork()
  socket.write = function (this: Socket, ...args: unknown[]) {
    if (this.writableCorked === 0) {
      this.cork()
      process.nextTick(uncork)
    }
    return Reflect.apply(write, this, args) as boolean
  }
  return socket
}

export function timedOut(name: string, timeout: number): ConnectError {
  const message = `${name} did not answer within ${timeout / 1000} s. Check the address, the port, and any firewall between`
  return new ConnectError(name, "timeout", message)
}

type Meaning = readonly [kind: ConnectFailure, sentence: (name: string, host: string, port: number) => string]

const unknownName: Meaning = [
  "dns",
  (name, host) => `The name ${host} of ${name} has no address. Check its spelling, and this machine's DNS`,
]
const noRoute: Meaning = [
  "unreachable",
  (name, host) =>
    `No network reaches ${name} (${host}) from here. Check the address, and this machine's network`,
]
const MEANINGS: Record<string, Meaning> = {
  ENOTFOUND: unknownName,
  EAI_AGAIN: unknownName,
  ECONNREFUSED: [
    "refused",
    (name, _host, port) =>
      `${name} refused the connection: nothing listens on port ${port} there. Check the port, and that sshd runs`,
  ],
  EHOSTUNREACH: noRoute,
  ENETUNREACH: noRoute,
  EADDRNOTAVAIL: noRoute,
  ETIMEDOUT: [
    "timeout",
    name => `${name} did not answer. Check the address, the port, and any firewall between`,
  ],
  ECONNRESET: ["closed", name => `${name} reset the connection before it was made`],
}

function dialError(name: string, host: string, port: number, error: NodeJS.ErrnoException): ConnectError {
  const meaning = MEANINGS[error.code ?? ""]
  if (meaning) return new ConnectError(name, meaning[0], meaning[1](name, host, port), { cause: error })
  const message = `${name} cannot be reached (${error.code ?? error.message})`
  return new ConnectError(name, "unreachable", message, { cause: error })
}

/** ssh_config's ProxyCommand: a local program whose standard input and output are the connection. */
function dialCommand({ name, hostName, port, user }: Route, command: string): Duplex {
  const tokens: Record<string, string> = { "%": "%", h: hostName, p: String(port), r: user }
  const line = command.replace(/%(.)/g, (token, letter: string) => tokens[letter] ?? token)
  const child = spawn("/bin/sh", ["-c", `exec ${line}`], { stdio: ["pipe", "pipe", "ignore"] })
  const stream = Duplex.from({ readable: child.stdout, writable: child.stdin })
  child.once("error", error => {
    stream.destroy(
      new ConnectError(name, "unreachable", `The ProxyCommand for ${name} cannot be run: ${line}`, {
        cause: error,
      }),
    )
  })
  stream.once("close", () => child.kill())
  return stream
}
