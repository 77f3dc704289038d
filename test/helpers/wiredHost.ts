import { execFileSync, spawn } from "node:child_process"
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type HostOptions, TestHost } from "../host/helpers/container.ts"
import { whenItAnswers } from "../host/helpers/reach.ts"

/** A host in namespaces, as a resource's `connection` reaches it: over its own wire, by its own sshd. */
export interface WiredHost extends AsyncDisposable {
  readonly host: TestHost
  readonly connection: { host: string; port: number; user: string; privateKeyPath: string; hostKey: string }
  /** Runs a POSIX script in the host, past the network, and returns what it printed. */
  inside(script: string): Promise<string>
}

/** Starts a host of test/host whose sshd is reached at a port of 127.0.0.1. What cuts its wire, cuts that. */
export async function startWiredHost(options: HostOptions): Promise<WiredHost> {
  const host = await TestHost.start(options)
  const directory = await mkdtemp(join(tmpdir(), "wired-"))
  const key = join(directory, "id_ed25519")
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key])
  const trusted = join(host.root, "root/.ssh")
  await mkdir(trusted, { recursive: true, mode: 0o700 })
  await writeFile(join(trusted, "authorized_keys"), await readFile(`${key}.pub`))
  await chmod(join(trusted, "authorized_keys"), 0o600)
  const address = await whenItAnswers(host)
  const door = await openDoor(host.router, address)
  const hostKey = (await readFile(join(host.root, "etc/ssh/ssh_host_ed25519_key.pub"), "utf8")).trim()
  return {
    host,
    connection: { host: "127.0.0.1", port: door.port, user: "root", privateKeyPath: key, hostKey },
    async inside(script) {
      const { exit, stdout, stderr } = await host.inside(["sh", "-eu", "-s"], script)
      if (exit !== 0) throw new Error(`in ${host.id}: exit ${exit}: ${stderr}`)
      return stdout
    },
    async [Symbol.asyncDispose]() {
      door.close()
      await host.stop()
      await rm(directory, { recursive: true })
    },
  }
}

/** A port of 127.0.0.1 that leads to port 22 of an address, as a network namespace sees it. */
async function openDoor(namespace: string, address: string) {
  const sockets = new Set<Socket>()
  // A bash whose standard input is a socket, which Node's pipes are, takes itself for rsh's and reads ~/.bashrc. What stands
  // there may wait for a lock, and leave one behind when it is killed.
  const carry = `exec 3<>/dev/tcp/${address}/22 && { cat <&3 & cat >&3; kill $!; }`
  const server = createServer(socket => {
    sockets.add(socket)
    const carrier = spawn("ip", ["netns", "exec", namespace, "bash", "--norc", "-c", carry], {
      stdio: ["pipe", "pipe", "ignore"],
      detached: true,
    })
    const end = () => {
      sockets.delete(socket)
      socket.destroy()
      if (carrier.exitCode === null && carrier.pid) endGroup(carrier.pid)
    }
    socket.on("error", end).on("close", end)
    carrier.stdin.on("error", end)
    carrier.once("exit", end)
    socket.pipe(carrier.stdin)
    carrier.stdout.pipe(socket)
  })
  await new Promise<void>(listening => server.listen(0, "127.0.0.1", listening))
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

function endGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error
  }
}
