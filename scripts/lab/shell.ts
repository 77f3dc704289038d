import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFile } from "node:fs/promises"
import { createConnection } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { MachineStopped } from "./errors.ts"
import type { Machine } from "./machine.ts"
import { run } from "./run.ts"

/** How a machine is reached: its port on 127.0.0.1, and the directory with its keys (`keys.ts`). */
export type Door = { port: number; keys: string }

/** ssh(1)'s arguments: this key, that host key, and nothing of the user's own configuration. */
export function sshArguments({ port, keys }: Door): string[] {
  const options = {
    BatchMode: "yes",
    IdentitiesOnly: "yes",
    IdentityAgent: "none",
    StrictHostKeyChecking: "yes",
    HostKeyAlias: "lab",
    UserKnownHostsFile: join(keys, "known_hosts"),
    GlobalKnownHostsFile: "/dev/null",
    // A machine in software emulation can stand still for a minute when this one is busy.
    ConnectTimeout: "60",
    ServerAliveInterval: "20",
    ServerAliveCountMax: "6",
    LogLevel: "ERROR",
  }
  const flags = Object.entries(options).flatMap(([key, value]) => ["-o", `${key}=${value}`])
  return ["-F", "none", ...flags, "-i", join(keys, "id_ed25519"), "-p", `${port}`, "root@127.0.0.1"]
}

/** Runs a POSIX script as root on the machine and returns its standard output; `wanted` begins the error. */
export const runScript = (wanted: string, door: Door, script: string): Promise<string> =>
  run(wanted, ["ssh", ...sshArguments(door), "sh", "-eu"], { input: script })

/** Waits until the machine's sshd greets, for at most `limit` ms. */
export async function waitForSsh(machine: Machine, port: number, limit = 600_000): Promise<void> {
  const wanted = "reach the machine over ssh"
  for (const end = Date.now() + limit; Date.now() < end; await sleep(200)) {
    if (await greets(port)) return
    if (!(await machine.running()))
      throw new MachineStopped(wanted, "the machine stopped", await tail(machine))
  }
  throw new MachineStopped(wanted, `no greeting within ${limit / 1000} s`, await tail(machine))
}

/** Reboots the machine and waits until another boot of it answers. */
export async function reboot(machine: Machine, door: Door): Promise<void> {
  const bootId = () => runScript("ask which boot this is", door, "cat /proc/sys/kernel/random/boot_id")
  const before = await bootId()
  await runScript("reboot the machine", door, "systemctl reboot")
  for (const end = Date.now() + 900_000; Date.now() < end; await sleep(500)) {
    await waitForSsh(machine, door.port)
    // The old boot's sshd may greet and then hang up.
    const now = await bootId().catch(() => before)
    if (now !== before) return
  }
  throw new MachineStopped("reboot the machine", "it did not come back within 900 s", await tail(machine))
}

/** The user's own session on the machine: a terminal, or one command. Returns its exit code. */
export async function session(door: Door, command: readonly string[]): Promise<number> {
  const child = spawn("ssh", [...sshArguments(door), ...command], { stdio: "inherit" })
  const [code] = (await once(child, "exit")) as [number | null]
  return code ?? 255
}

/** QEMU accepts for the guest and hangs up when nobody listens there: an end without a word is a no. */
function greets(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = createConnection(port, "127.0.0.1")
    socket.setTimeout(5_000, () => socket.destroy())
    socket.once("data", greeting => {
      resolve(greeting.toString("latin1").startsWith("SSH-2.0-"))
      socket.destroy()
    })
    socket.once("error", () => resolve(false))
    socket.once("close", () => resolve(false))
  })
}

async function tail(machine: Machine): Promise<string> {
  const log = await readFile(join(machine.directory, "console.log"), "latin1").catch(() => "")
  return log.trim().split("\n").slice(-5).join("\n")
}
