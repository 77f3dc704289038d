/**
 * The router's two ways out, run in its network namespace: `relay.ts SSH PACKAGES`. Whoever connects to the socket SSH is
 * led to the machine's sshd, and the machine's HTTP to the packages' address is led to the socket PACKAGES.
 */
import { once } from "node:events"
import { connect, createServer } from "node:net"
import { tie } from "./tie.ts"

const [ssh, packages] = process.argv.slice(2) as [string, string]

const servers = [
  createServer({ allowHalfOpen: true }, client => tie(client, connect(22, "10.0.2.15"))).listen(ssh),
  createServer({ allowHalfOpen: true }, client => tie(client, connect(packages))).listen(80, "10.0.2.9"),
]
await Promise.all(servers.map(server => once(server, "listening")))
console.log("ready")
