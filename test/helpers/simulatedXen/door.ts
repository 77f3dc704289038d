import { createServer, type Server, type Socket } from "node:net"
import type { Operations } from "./operations.ts"
import type { Reply } from "./reply.ts"

/** Answers a command line of `xl`; `gone` aborts when whoever asked is no longer there. */
export type Xl = (words: readonly string[], cwd: string, gone: AbortSignal) => Promise<Reply>

/** Where client.c calls from inside the host: for every `xl`, and before and after every remote operation. */
export class Door {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(xl: Xl, operations: Operations) {
    this.#server = createServer(socket => {
      this.#sockets.add(socket)
      socket.once("close", () => this.#sockets.delete(socket))
      socket.on("error", () => {})
      const talk = conversation(socket)
      talk().then(async ([what = "", where = "", ...words]) => {
        if (what === "xl") await answerXl(socket, xl, words, where)
        else await announce(socket, operations, words[0] ?? "", talk)
      }, socket.destroy.bind(socket))
    })
  }

  static async open(path: string, xl: Xl, operations: Operations): Promise<Door> {
    const door = new Door(xl, operations)
    await new Promise<void>(listening => door.#server.listen(path, listening))
    return door
  }

  async close(): Promise<void> {
    const closed = new Promise(done => this.#server.close(done))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

async function answerXl(socket: Socket, xl: Xl, words: readonly string[], cwd: string): Promise<void> {
  const gone = new AbortController()
  socket.once("close", () => gone.abort())
  const { exit, stdout, stderr } = await xl(words, cwd, gone.signal)
  if (stdout) socket.write(frame(1, stdout))
  if (stderr) socket.write(frame(2, stderr))
  socket.end(ending(exit))
}

async function announce(
  socket: Socket,
  operations: Operations,
  command: string,
  talk: () => Promise<string[]>,
): Promise<void> {
  const { operation, goes } = operations.begin(command)
  if (!goes) {
    socket.destroy()
    return
  }
  socket.write(ending(0))
  await talk()
  operations.end(operation)
  socket.end(ending(0))
}

/** Reads what the client says: words up to a lone newline, and "done". */
function conversation(socket: Socket): () => Promise<string[]> {
  let text = ""
  let wake = () => {}
  socket.setEncoding("utf8")
  socket.on("data", chunk => {
    text += chunk
    wake()
  })
  let ended = false
  socket.once("close", () => {
    ended = true
    wake()
  })
  return async () => {
    for (;;) {
      const end = /(^|\0)(\n|done)\0/.exec(text)
      if (end) {
        const said = text.slice(0, end.index)
        text = text.slice(end.index + end[0].length)
        return said.split("\0")
      }
      if (ended) return []
      await new Promise<void>(more => {
        wake = more
      })
    }
  }
}

function frame(stream: 1 | 2, text: string): Buffer {
  const data = Buffer.from(text)
  const head = Buffer.alloc(5)
  head.writeUInt8(stream)
  head.writeUInt32BE(data.length, 1)
  return Buffer.concat([head, data])
}

function ending(exit: number): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(exit, 1)
  return head
}
