import { randomInt } from "node:crypto"
import { once } from "node:events"
import { readFile } from "node:fs/promises"
import { createServer } from "node:net"
import { PortTaken } from "./errors.ts"

const loopback = "127.0.0.1"
const lowest = 10_000

/**
 * A port of `host` that nobody listens on now. A lab keeps its ports while it is down, so they lie below
 * those that the kernel gives to outgoing connections: one of these would have the port just when it is wanted
 * again (ip_local_port_range of ip(7)).
 */
export async function freePort(host = loopback): Promise<number> {
  for (;;) {
    const port = randomInt(lowest, await firstEphemeral())
    if (await isFree(port, host)) return port
  }
}

/** Throws `PortTaken` if somebody listens on `port` of 127.0.0.1. */
export async function requireFree(wanted: string, port: number): Promise<void> {
  if (!(await isFree(port))) throw new PortTaken(wanted, port)
}

/** Whether nobody listens on `port` of `host`. */
export async function isFree(port: number, host = loopback): Promise<boolean> {
  const server = createServer()
  server.listen(port, host)
  try {
    await once(server, "listening")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false
    throw error
  }
  server.close()
  await once(server, "close")
  return true
}

async function firstEphemeral(): Promise<number> {
  const range = await readFile("/proc/sys/net/ipv4/ip_local_port_range", "utf8")
  return Math.max(Number.parseInt(range, 10), lowest + 1_000)
}
