import type { Socket } from "node:net"

/**
 * Ends a connection with an RST in the place of a FIN. One whose FIN is on its way already is only closed: libuv refuses to
 * reset it, Node takes it for closed all the same (`TCPWrap::Reset`), and the process that has it spins at its exit for ever.
 */
export function reset(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else socket.resetAndDestroy()
}
