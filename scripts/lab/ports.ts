import { once } from "node:events"
import { createServer } from "node:net"
import { PortTaken } from "./errors.ts"

/** A port of 127.0.0.1 that nobody listens on now. */
export const freePort = (): Promise<number> => bind(0)

/** Throws `PortTaken` if somebody listens on `port` of 127.0.0.1. */
export async function requireFree(wanted: string, port: number): Promise<void> {
  try {
    await bind(port)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") throw new PortTaken(wanted, port)
    throw error
  }
}

async function bind(port: number): Promise<number> {
  const server = createServer()
  server.listen(port, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  return typeof address === "object" ? (address?.port ?? port) : port
}
