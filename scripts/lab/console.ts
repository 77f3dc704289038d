import { once } from "node:events"
import { createConnection } from "node:net"
import { stdin, stdout } from "node:process"
import type { Machine } from "./machine.ts"

/** Ctrl-], telnet's escape: unlikely to be wanted by the guest. */
const leaveKey = 0x1d

/** Attaches the terminal to the machine's serial line until Ctrl-] is typed, input ends, or the machine stops. */
export async function attachConsole(machine: Machine): Promise<void> {
  const line = createConnection(machine.socket("console.sock"))
  await once(line, "connect")
  const raw = (on: boolean) => stdin.isTTY && stdin.setRawMode(on)
  raw(true)
  try {
    line.pipe(stdout, { end: false })
    stdin.on("data", (typed: Buffer) => (typed.includes(leaveKey) ? line.end() : line.write(typed)))
    await once(line, "close")
  } finally {
    raw(false)
    stdin.pause()
  }
}
