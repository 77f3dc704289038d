import type { Duplex } from "node:stream"
import { setTimeout as sleep } from "node:timers/promises"
import { NodeSSH } from "node-ssh"
import { authHandler, type Credentials, gatherCredentials } from "./credentials.ts"
import { dial, timedOut } from "./dial.ts"
import { AbortedError, ConnectError } from "./errors.ts"
import { askCertificate } from "./hostKey/askCertificate.ts"
import { HostKeyVerifier } from "./hostKey/hostKey.ts"
import { askNoProofs } from "./hostKey/noProofs.ts"
import { KEEPALIVE_INTERVAL, Link } from "./link.ts"
import type { Route } from "./route.ts"
import { sealFrugally } from "./sealer.ts"

/** Gives a byte stream to the host, where it is not dialled from here: through a jump host. */
export type Dialler = (signal: AbortSignal | undefined) => Promise<Duplex>

/** What may pass by itself within seconds: a host that restarts sshd, MaxStartups, a route that comes up. */
const PASSING = new Set(["refused", "closed", "unreachable"])
const PAUSES = [200, 800]

/** Connects, verifies, authenticates. Only this is ever tried again: nothing has been carried out yet. */
export async function openLink(route: Route, signal?: AbortSignal, through?: Dialler): Promise<Link> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await openOnce(route, signal, through)
    } catch (error) {
      const pause = PAUSES[attempt]
      if (!(error instanceof ConnectError && PASSING.has(error.kind)) || pause === undefined) throw error
      await sleep(pause, undefined, signal ? { signal } : {}).catch(() => {
        throw new AbortedError(route.name, "connecting", true)
      })
    }
  }
}

async function openOnce(
  route: Route,
  signal: AbortSignal | undefined,
  through: Dialler | undefined,
): Promise<Link> {
  const proceed = (): void => {
    if (signal?.aborted) throw new AbortedError(route.name, "connecting", true)
  }
  proceed()
  const credentials = await gatherCredentials(route.name, route.target, route.config, route.user)
  const verifier = new HostKeyVerifier(route.hostKeys)
  const reach = async (): Promise<Duplex> => {
    proceed()
    return through ? through(signal) : dial(route, signal)
  }
  if (verifier.authorities.length > 0) verifier.certify(await askCertificate(await reach(), route.timeout))
  const stream = await reach()
  proceed()
  return handshake(route, stream, verifier, credentials, signal)
}

async function handshake(
  route: Route,
  stream: Duplex,
  verifier: HostKeyVerifier,
  credentials: Credentials,
  signal: AbortSignal | undefined,
): Promise<Link> {
  let verified = false
  let connected = false
  let offered: readonly string[] = []
  const ssh = new NodeSSH()
  const ready = ssh.connect({
    sock: stream,
    username: route.user,
    readyTimeout: route.timeout,
    // ssh2 asks, the link decides: whatever comes from the host is a sign of life, not the answer alone.
    keepaliveInterval: KEEPALIVE_INTERVAL,
    keepaliveCountMax: Number.POSITIVE_INFINITY,
    algorithms: { serverHostKey: verifier.algorithms() as never },
    hostVerifier: (key: Buffer) => verifier.check(key),
    authHandler: authHandler(credentials, methods => {
      offered = methods
    }),
  })
  const client = ssh.connection
  // node-ssh stops listening once it is ready, and an error between two listeners would end the process.
  client?.on("error", () => {})
  if (client) {
    sealFrugally(client)
    askNoProofs(client)
  }
  client?.once("handshake", () => {
    try {
      verifier.settle()
      verified = true
    } catch {
      stream.destroy()
    }
  })
  const onAbort = (): void => {
    stream.destroy()
  }
  signal?.addEventListener("abort", onAbort, { once: true })
  try {
    await ready
    if (!client) throw new Error("node-ssh has no client")
    connected = true
    return new Link(route.name, client, stream)
  } catch (error) {
    if (signal?.aborted) throw new AbortedError(route.name, "connecting", true)
    const hungUp = stream.readableEnded || (error as Failure).level === "client-socket"
    throw (
      verifier.refusal ?? handshakeError(route, error as Failure, { verified, hungUp, credentials, offered })
    )
  } finally {
    signal?.removeEventListener("abort", onAbort)
    if (!connected) stream.destroy()
  }
}

/** ssh2 says by `level` where it stopped, and by a numeric `code` that the server disconnected (RFC 4253 11.1). */
type Failure = Error & { level?: string; code?: unknown }

/** How far it came. */
interface Progress {
  /** The host proved its key. */
  verified: boolean
  /** The other side ended it, and not we. */
  hungUp: boolean
  credentials: Credentials
  /** Methods that the host says it accepts. */
  offered: readonly string[]
}

function handshakeError(
  { name, timeout, user }: Route,
  error: Failure,
  { verified, hungUp, credentials, offered }: Progress,
): ConnectError {
  if (error instanceof ConnectError) return error
  const fail = (kind: ConnectError["kind"], message: string): ConnectError =>
    new ConnectError(name, kind, message, { cause: error })
  if (error.level === "client-timeout") return timedOut(name, timeout)
  if (error.level === "agent") {
    return fail(
      "agent",
      `The SSH agent for ${name} did not sign: ${error.message}. Unlock it, or give a privateKey`,
    )
  }
  const refusedByServer = verified && typeof error.code === "number"
  if (error.level === "client-authentication" || refusedByServer) {
    const tried =
      credentials.attempts.map(({ phrase }) => phrase).join(", ") ||
      "nothing: no key, agent or password was found"
    const skipped = credentials.skipped.length > 0 ? ` Not used: ${credentials.skipped.join("; ")}.` : ""
    const accepts = offered.length > 0 ? ` The host accepts ${offered.join(", ")}.` : ""
    const said = refusedByServer ? ` The host said: ${error.message}.` : ""
    const message = `${name} refused to authenticate ${user}. Tried: ${tried}.${skipped}${accepts}${said} Check the user, and that the key is in authorized_keys there`
    return fail("auth", message)
  }
  // node-ssh's own words for a connection that closed before it was ready.
  if (!hungUp && error.code !== "ETIMEDOUT") {
    return fail(
      "protocol",
      `${name} and this machine do not understand each other: ${error.message}. Check that it is an SSH server`,
    )
  }
  const when = verified ? "during authentication" : "before it showed a host key"
  return fail("closed", `${name} closed the connection ${when}. Check that it is an SSH server, and its log`)
}
