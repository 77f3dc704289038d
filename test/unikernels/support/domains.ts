import { readFile } from "node:fs/promises"
import { gzipSync } from "node:zlib"

/** Something that runs POSIX scripts as root: a machine of the lab. */
export type Machine = { run(script: string): Promise<string> }

/** Puts a local file onto the machine, on the way of the script's standard input. */
export async function put(machine: Machine, local: string, remote: string): Promise<void> {
  const text = gzipSync(await readFile(local)).toString("base64")
  await machine.run(`base64 -d <<'END' | gunzip > ${remote}\n${text.replace(/.{76}/g, "$&\n")}\nEND`)
}

export type DomainOptions = { name: string; mac: string; args: string; memory?: number; disk?: string }

/** `xl create` of hello as a PVH domain. Xen's own pool for a domain of 16 MiB is too small by default: `shadow_memory`. */
export async function create(machine: Machine, options: DomainOptions): Promise<void> {
  const { name, mac, args, memory = 16, disk } = options
  const lines = [
    `name = '${name}'`,
    "kernel = '/root/hello.xen'",
    "type = 'pvh'",
    `memory = ${memory}`,
    "shadow_memory = 2",
    "on_crash = 'preserve'",
    `disk = [ ${disk ? `'format=raw, vdev=xvda, access=ro, target=${disk}'` : ""} ]`,
    `vif = [ 'bridge=xenbr0,mac=${mac}' ]`,
    `extra = '${args}'`,
  ]
  await machine.run(`cat > /root/${name}.cfg <<'END'\n${lines.join("\n")}\nEND`)
  await start(machine, `/root/${name}.cfg`)
}

/**
 * `xl create`, again when it fails: in software emulation on a busy machine, dom0 now and then misses the ten seconds
 * that libxl gives a device, and then nothing is left of the domain.
 */
export async function start(machine: Machine, config: string): Promise<void> {
  const attempt = `cd /root && xl create ${config}`
  await machine.run(`${attempt} || { sleep 5; ${attempt}; } || { sleep 20; ${attempt}; }`)
}

/** What the domain has written to its console. */
export const consoleOf = (machine: Machine, name: string): Promise<string> =>
  machine.run(`cat /var/log/xen/console/guest-${name}.log`)

/** Waits on the machine until the command succeeds; after `seconds` its failure is the error. */
export const waitFor = (machine: Machine, command: string, seconds = 60): Promise<string> =>
  machine.run(`for i in $(seq ${seconds * 2}); do if ${command}; then exit 0; fi; sleep 0.5; done; exit 1`)

/** The state and memory that `xl list` shows; undefined when the domain is gone. */
export async function stateOf(
  machine: Machine,
  name: string,
): Promise<{ memory: number; state: string } | undefined> {
  const line = (await machine.run("xl list")).split("\n").find(text => text.startsWith(`${name} `))
  const [, , memory, , state] = line?.split(/\s+/) ?? []
  return line ? { memory: Number(memory), state: state! } : undefined
}
