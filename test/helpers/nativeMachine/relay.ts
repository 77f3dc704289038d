/**
 * The router's two ways, run in its network namespace: `relay.ts HOST SSH PACKAGES SOCKET`. Whoever connects to the socket SSH
 * is led to the sshd of HOST, and HTTP to the address PACKAGES is led to SOCKET.
 */
import { once } from "node:events"
import { connect, createServer } from "node:net"
import { tie } from "./tie.ts"

const [host = "", ssh = "", packages = "", socket = ""] = process.argv.slice(2)
const servers = [
  createServer({ allowHalfOpen: true }, client => tie(client, connect(22, host))).listen(ssh),
  createServer({ allowHalfOpen: true }, client => tie(client, connect(socket))).listen(80, packages),
]
await Promise.all(servers.map(server => once(server, "listening")))
console.log("ready")
