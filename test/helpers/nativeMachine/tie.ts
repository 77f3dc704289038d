import type { Socket } from "node:net"

/** Two connections become one: bytes, ends and failures of each go to the other, at once. */
export function tie(one: Socket, other: Socket): void {
  for (const [from, to] of [[one, other] as const, [other, one] as const]) {
    // What is said in small pieces would wait for the other side's acknowledgement, 40 ms each.
    from.setNoDelay(true)
    from.pipe(to)
    from.on("error", () => to.destroy())
    from.on("close", () => to.destroy())
  }
}
