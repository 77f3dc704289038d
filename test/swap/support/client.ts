// Asks a server again and again: client.ts ADDRESS PAUSE [keep]. Each request has a connection of its own, or with `keep`
// all have one until it breaks. Told "count" it prints how many were answered, told "end" its outcome as JSON.
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"

export interface Outcome {
  requests: number
  /** What went wrong; with `keep` only what a second try on a new connection does not mend. */
  failed: string[]
  /** Milliseconds, with its connection. */
  slowest: number
  /** The generations that answered, each once, in the order of their first answers. */
  generations: string[]
  /** By how many generations an answer was older than the newest one before it, at the most. */
  back: number
  /** Of `keep`: when a connection was opened and when it broke, by Date.now(). */
  broken: { from: number; to: number }[]
}

const [, , host = "", pause = "0", keep] = process.argv
const request = `GET / HTTP/1.1\r\nHost: www\r\n${keep ? "" : "Connection: close\r\n"}\r\n`
const outcome: Outcome = { requests: 0, failed: [], slowest: 0, generations: [], back: 0, broken: [] }
let ending = false

class Link {
  readonly socket: Socket
  /** Rejects at the connection's end. */
  readonly ended: Promise<never>

  constructor(socket: Socket) {
    this.socket = socket
    socket.setTimeout(5000, () => socket.destroy(new Error("no answer within 5 s")))
    this.ended = new Promise((_, reject) => {
      socket.on("error", reject).on("close", () => reject(new Error("closed without an answer")))
    })
    this.ended.catch(() => {})
  }
}

async function open(): Promise<Link> {
  const link = new Link(connect({ host, port: 80, noDelay: true }))
  await Promise.race([once(link.socket, "connect"), link.ended])
  return link
}

async function ask({ socket, ended }: Link): Promise<void> {
  socket.write(request)
  let body: string | undefined
  for (let text = ""; !body; body = text.split("\r\n\r\n")[1]) {
    const data = await Promise.race([new Promise<Buffer>(read => socket.once("data", read)), ended])
    text += data.toString("latin1")
  }
  outcome.requests++
  if (!outcome.generations.includes(body)) outcome.generations.push(body)
  outcome.back = Math.max(outcome.back, Number(outcome.generations.at(-1)) - Number(body))
}

async function timed(work: () => Promise<void>): Promise<void> {
  const began = performance.now()
  await work()
  outcome.slowest = Math.max(outcome.slowest, performance.now() - began)
  await sleep(Number(pause))
}

async function each(): Promise<void> {
  let link: Link | undefined
  try {
    await timed(async () => {
      link = await open()
      await ask(link)
    })
  } catch (error) {
    outcome.failed.push((error as Error).message)
  } finally {
    link?.socket.destroy()
  }
}

async function kept(): Promise<void> {
  const link = await open()
  const from = Date.now()
  try {
    while (!ending) await timed(() => ask(link))
  } catch {
    outcome.broken.push({ from, to: Date.now() })
  } finally {
    link.socket.destroy()
  }
}

createInterface(process.stdin).on("line", line => {
  if (line === "count") console.log(outcome.requests)
  else ending = true
})
console.log("asking")
while (!ending) await (keep ? kept() : each()).catch((error: Error) => outcome.failed.push(error.message))
console.log(JSON.stringify(outcome))
process.exit(0)
