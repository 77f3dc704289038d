import { createServer, type Server, type Socket } from "node:net"
import { createInterface } from "node:readline"
import type { RealXen } from "./realXen.ts"

/** Where dom0 has an sshd that asks the test before it does anything; a machine needs a way there. */
export const gate = { address: "10.0.2.15", to: 2222 }

/** In dom0, in place of each command that sshd is asked for. 10.0.2.2 leads to the test's own loopback. */
const script = (port: number) => `#!/bin/bash
exec 3<>/dev/tcp/10.0.2.2/${port} || exit 255
echo "\${SSH_ORIGINAL_COMMAND//[$'\\r\\n']/ }" >&3
read -r verdict <&3
[ "$verdict" = go ] || exit 255
bash -c "$SSH_ORIGINAL_COMMAND" 3>&-
code=$?
echo done >&3
read -r verdict <&3
exit $code
`

/** What a test does at a remote operation, which is told by the command that it is asked for with. */
export interface Strike {
  /** Called before the operation is done; `false`: it never is, as if the connection had been lost on its way there. */
  readonly before?: (command: string) => boolean | undefined
  /** Called when it is done, before its end is told to whoever asked for it. */
  readonly after?: (command: string) => void
}

/** A second door into dom0, at which each command is an operation that the test can strike. */
export class Gatekeeper implements AsyncDisposable {
  readonly connection: RealXen["connection"]
  strike: Strike = {}
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(connection: RealXen["connection"], server: Server) {
    this.connection = connection
    this.#server = server
  }

  /** The machine was started with a way to `gate`. */
  static async start({ machine, connection }: RealXen): Promise<Gatekeeper> {
    const server = createServer()
    await new Promise<void>(listening => server.listen(0, "127.0.0.1", listening))
    const { port } = server.address() as { port: number }
    await machine.run(
      `cat >/usr/local/sbin/gatekeeper <<'END'\n${script(port)}END\nchmod 755 /usr/local/sbin/gatekeeper\n` +
        `/usr/sbin/sshd -p ${gate.to} -o ForceCommand=/usr/local/sbin/gatekeeper -o PidFile=/run/gatekeeper.pid`,
    )
    const door = { ...connection, port: machine.forward(gate.address, gate.to) }
    const gatekeeper = new Gatekeeper(door, server)
    server.on("connection", socket => gatekeeper.#hear(socket))
    return gatekeeper
  }

  #hear(socket: Socket): void {
    let command: string | undefined
    this.#sockets.add(socket)
    socket.on("error", () => {}).on("close", () => this.#sockets.delete(socket))
    createInterface(socket).on("line", line => {
      if (command !== undefined) this.strike.after?.(command)
      const goes = command !== undefined || this.strike.before?.(line) !== false
      command ??= line
      socket.write(goes ? "go\n" : "no\n")
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }
}
