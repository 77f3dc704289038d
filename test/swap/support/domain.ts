import { setTimeout as sleep } from "node:timers/promises"
import type { Port } from "../../../provider/host/swap/index.ts"
import { exec } from "../../host/helpers/run.ts"
import { BRIDGE, type Host, MAC, type Program, type Station } from "./wire.ts"

/** A generation of the domain that serves: its station and its web server. */
export interface Generation {
  readonly station: Station
  readonly server: Program
  readonly port: Port
}

export async function generation(host: Host, name: string, bridge?: string): Promise<Generation> {
  const station = await host.generation(name, bridge)
  const server = station.node("server.ts", name)
  await server.hears()
  return { station, server, port: { vif: station.port, bridge: BRIDGE, mac: MAC } }
}

/** The domain is destroyed. */
export async function destroy(host: Host, { station, server }: Generation): Promise<void> {
  await server.end()
  await host.unplug(station)
}

/** What an address answers to one request on a connection of its own, seen from a station or from the host. */
export async function answer(host: Host, from: Station | undefined, address: string): Promise<string> {
  const ask = `exec 3<>/dev/tcp/${address}/80 && printf 'GET / HTTP/1.1\\r\\nConnection: close\\r\\n\\r\\n' >&3 && cat <&3`
  const namespace = from?.namespace ?? host.id
  const { stdout } = await exec([
    "ip",
    "netns",
    "exec",
    namespace,
    "timeout",
    "5",
    "bash",
    "--norc",
    "-c",
    ask,
  ])
  return stdout.split("\r\n\r\n")[1] ?? "nothing"
}

/** Waits for something that comes by itself, for at most so many seconds. */
export async function eventually(holds: () => Promise<boolean>, seconds = 20): Promise<boolean> {
  for (let tries = 0; tries < seconds * 10; tries++) {
    if (await holds()) return true
    await sleep(100)
  }
  return false
}
