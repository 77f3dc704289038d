import { readFileSync } from "node:fs"
import ssh2, { type Connection, type ServerConfig } from "ssh2"

/** An SSH server inside the test, for what a real one never does. */
export interface FakeSshServer {
  port: number
  /** User names and methods of the authentication attempts that reached it. */
  attempts: string[]
  stop(): Promise<void>
}

/** @param hostKeys files of private keys */
export async function startFakeSshServer(
  hostKeys: readonly string[],
  onConnection: (client: Connection) => void = client =>
    client.on("authentication", context => context.accept()),
  config: Partial<ServerConfig> = {},
): Promise<FakeSshServer> {
  const attempts: string[] = []
  const clients = new Set<Connection>()
  const server = new ssh2.Server(
    { ...config, hostKeys: hostKeys.map(path => readFileSync(path)) },
    client => {
      clients.add(client)
      client.on("authentication", context => attempts.push(`${context.username} ${context.method}`))
      client.on("error", () => {})
      client.on("close", () => clients.delete(client))
      onConnection(client)
    },
  )
  await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("No port was given")
  const stop = async (): Promise<void> => {
    for (const client of clients) client.end()
    await new Promise<void>(resolve => server.close(() => resolve()))
  }
  return { port: address.port, attempts, stop }
}
