import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir, userInfo } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Target } from "../../provider/ssh/index.ts"
import { freePort } from "../../scripts/lab/ports.ts"

/** A real OpenSSH server on loopback with keys of its own, for as long as a test wants it. */
export interface Sshd {
  host: string
  port: number
  /** The user that runs the tests. */
  user: string
  /** Everything the server has: keys, configuration, log. */
  directory: string
  /** `ssh-ed25519 AAAA…` */
  hostKey: string
  hostKeyPath: string
  /** The user's private key. */
  keyPath: string
  /** The client's side of it: nothing of the machine's own ssh configuration is read. */
  target: Target
  pid: number
  log(): string
  stop(): Promise<void>
}

export interface SshdOptions {
  /** An address of the loopback network. Default 127.0.0.1. */
  host?: string
  /** Default: a free one. */
  port?: number
  /** Further lines of sshd_config(5); the first value of a keyword wins, so these do. */
  config?: readonly string[]
  /** For a server that comes back with the same keys. */
  directory?: string
  /** Words before the server's command, such as a program that gives it a mount namespace; it must exec. */
  within?: readonly string[]
}

/** @throws when openssh-server is not installed, with the command that installs it */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const host = options.host ?? "127.0.0.1"
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), "sshd-"))
  const hostKeyPath = join(directory, "host_key")
  const keyPath = join(directory, "user_key")
  if (!options.directory) {
    makeKey(hostKeyPath)
    makeKey(keyPath)
  }
  const program = findSshd()
  // sshd's root process wants its empty directory, which a service manager makes elsewhere.
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 })
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort(host))
    const child = start(program, {
      directory,
      host,
      port,
      hostKeyPath,
      keyPath,
      config: options.config ?? [],
      within: options.within ?? [],
    })
    if (await answers(child, host, port)) {
      const { username: user } = userInfo()
      const hostKey = readFileSync(`${hostKeyPath}.pub`, "utf8").trim()
      const target: Target = {
        host,
        port,
        user,
        privateKeyPath: keyPath,
        hostKey,
        agent: false,
        sshConfig: false,
      }
      const log = (): string => readFileSync(join(directory, "log"), "utf8")
      const stop = async (): Promise<void> => {
        await end(child)
        if (!options.directory) rmSync(directory, { recursive: true, force: true })
      }
      return {
        host,
        port,
        user,
        directory,
        hostKey,
        hostKeyPath,
        keyPath,
        target,
        pid: child.pid ?? 0,
        log,
        stop,
      }
    }
    await end(child)
    const log = readFileSync(join(directory, "log"), "utf8")
    if (attempt === 3) throw new Error(`sshd does not answer on ${host}:${port}:\n${log}`)
  }
}

/** An Ed25519 key pair without a passphrase, unless one is given. */
export function makeKey(
  path: string,
  options: { type?: string; passphrase?: string; format?: string } = {},
): void {
  const { type = "ed25519", passphrase = "", format } = options
  const args = [
    "-q",
    "-t",
    type,
    "-N",
    passphrase,
    "-C",
    "test",
    "-f",
    path,
    ...(format ? ["-m", format] : []),
  ]
  execFileSync("ssh-keygen", args)
}

function findSshd(): string {
  for (const program of ["/usr/sbin/sshd", "/usr/local/sbin/sshd"]) {
    try {
      readFileSync(program)
      return program
    } catch {}
  }
  throw new Error("These tests need OpenSSH's server: apt-get install openssh-server")
}

interface Start {
  directory: string
  host: string
  port: number
  hostKeyPath: string
  keyPath: string
  config: readonly string[]
  within: readonly string[]
}

function start(
  program: string,
  { directory, host, port, hostKeyPath, keyPath, config, within }: Start,
): ChildProcess {
  const file = join(directory, "sshd_config")
  const lines = [
    ...config,
    `ListenAddress ${host}:${port}`,
    `HostKey ${hostKeyPath}`,
    `AuthorizedKeysFile ${keyPath}.pub`,
    `PidFile ${join(directory, "pid")}`,
    // The user's own shell start-up files are none of a test's business.
    `SetEnv HOME=${directory}`,
    "PermitRootLogin yes",
    "StrictModes no",
    "UsePAM no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "MaxStartups 200:30:300",
    // The one keyword that may not be given twice.
    ...(config.some(line => line.startsWith("Subsystem ")) ? [] : ["Subsystem sftp internal-sftp"]),
  ]
  writeFileSync(file, `${lines.join("\n")}\n`)
  const [first, ...rest] = [...within, program, "-D", "-f", file, "-E", join(directory, "log")]
  return spawn(first!, rest, { stdio: "ignore" })
}

/** Whether the server says its name within some seconds. */
async function answers(child: ChildProcess, host: string, port: number): Promise<boolean> {
  for (let waited = 0; waited < 10_000 && child.exitCode === null; waited += 30) {
    if (await greets(host, port)) return true
    await sleep(30)
  }
  return false
}

function greets(host: string, port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host, port })
    socket.once("data", data => {
      socket.destroy()
      resolve(data.toString("latin1").startsWith("SSH-2.0-"))
    })
    socket.once("error", () => resolve(false))
    socket.once("end", () => resolve(false))
  })
}

/** Ends the listening server by its pid; connections that it serves have processes of their own. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise(resolve => child.once("exit", resolve))
  child.kill("SIGTERM")
  await gone
}
