import { spawn } from "node:child_process"
import { once } from "node:events"
import test from "ava"

const RESET = new URL("../helpers/reset.ts", import.meta.url).href

/** A process with a connection that is reset; what happens before it. */
const program = (before: string): string => `
import { connect, createServer } from "node:net"
import { setImmediate as soon } from "node:timers/promises"
import { reset } from "${RESET}"
const server = createServer({ allowHalfOpen: true }, async socket => {
  socket.on("error", () => {})
  ${before}
  reset(socket)
  server.close()
})
server.listen(0, "127.0.0.1", () => {
  const client = connect(server.address().port, "127.0.0.1").on("error", error => console.log(error.code))
  client.on("end", () => console.log("FIN")).resume()
})`

const moments: readonly [when: string, before: string, client: RegExp][] = [
  ["before it ends", "", /^ECONNRESET\n$/],
  ["while it ends", "socket.end()", /^FIN\n$/],
  ["when it has ended", "socket.end(); await soon(); await soon()", /^(FIN\n)?(ECONNRESET\n)?$/],
  ["when it is gone", "socket.destroy(); await soon()", /^FIN\n$/],
]
for (const [when, before, client] of moments)
  test(`a connection is reset ${when}, and the process that has it comes to its end`, async t => {
    const node = spawn(process.execPath, ["--input-type=module", "--eval", program(before)], {
      stdio: ["ignore", "pipe", "inherit"],
      timeout: 60_000,
      killSignal: "SIGKILL",
    })
    let said = ""
    node.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text
    })
    const [code, signal] = await once(node, "close")
    t.deepEqual([code, signal], [0, null])
    t.regex(said, client)
  })
