import { execFile } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"
import { join } from "node:path"
import { promisify } from "node:util"
import test from "ava"

test("who waits for a machine's sshd goes on waiting when connections end without a word", async t => {
  let connections = 0
  const server = createServer(socket => {
    if (++connections < 3) socket.end()
    else socket.end("SSH-2.0-lab\r\n")
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as { port: number }
  // In a process of its own, which would end in silence if nothing but an idle timer were waited for.
  const program = `
    import { waitForSsh } from ${JSON.stringify(join(import.meta.dirname, "../../scripts/lab/shell.ts"))}
    await waitForSsh({ running: async () => true, directory: "/" }, ${port}, 30_000)
    console.log("answered")
  `
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program])
  server.close()
  t.is(stdout, "answered\n")
  t.is(connections, 3)
})
