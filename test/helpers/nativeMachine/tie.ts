import type { Socket } from "node:net"

/** Two connections become one: bytes, ends and failures of each go to the other. */
export function tie(one: Socket, other: Socket): void {
  for (const [from, to] of [[one, other] as const, [other, one] as const]) {
    from.pipe(to)
    from.on("error", () => to.destroy())
    from.on("close", () => to.destroy())
  }
}
