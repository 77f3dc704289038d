// The domain's web server: answers each request, and each datagram, with the number of its generation. A line on standard input is the number
// of the next generation: all connections end, as those of a destroyed domain do.
import { createSocket } from "node:dgram"
import { createServer, type Socket } from "node:net"
import { createInterface } from "node:readline"
import { reset } from "../../helpers/reset.ts"

let generation = process.argv[2]
const sockets = new Set<Socket>()

createServer(socket => {
  sockets.add(socket)
  socket.setNoDelay(true)
  let text = ""
  socket.on("data", data => {
    text += data.toString("latin1")
    for (let end = text.indexOf("\r\n\r\n"); end !== -1; end = text.indexOf("\r\n\r\n")) {
      const request = text.slice(0, end)
      text = text.slice(end + 4)
      const last = request.includes("Connection: close")
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${generation?.length}\r\n\r\n${generation}`)
      if (last) socket.end()
    }
  })
  socket.on("error", () => {})
  socket.on("close", () => sockets.delete(socket))
}).listen({ port: 80, host: "::", backlog: 1024 }, () => console.log("serving"))

const datagrams = createSocket("udp6")
datagrams.on("message", (_, { address, port }) => datagrams.send(`${generation}\n`, port, address))
datagrams.bind(80)

createInterface(process.stdin).on("line", line => {
  for (const socket of sockets) reset(socket)
  generation = line
  console.log("serving")
})
