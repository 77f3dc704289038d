import { spawn } from "node:child_process"
import { mkdir, writeFile } from "node:fs/promises"
import { homedir, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { HostToAsk, LoopbackHosts } from "./servers.ts"

/** The commands of other tools that ask the same hosts and find nothing to do. */
export interface OtherTools {
  /** The same facts, and the packages. */
  readonly pyinfra: readonly string[]
  /** The packages alone. */
  readonly pyinfraPackages: readonly string[]
  /** Its own facts, and the packages; five hosts at a time, as it comes. */
  readonly ansible: readonly string[]
}

/** pyinfra and ansible-core from PyPI, in an environment of their own in the cache. */
export async function otherTools({ hosts, directory }: LoopbackHosts, wanted: string): Promise<OtherTools> {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "pulumi-xen", "bench")
  const venv = join(cache, "venv")
  await mkdir(cache, { recursive: true })
  await run(["python3", "-m", "venv", venv])
  await run([join(venv, "bin/pip"), "install", "--quiet", "pyinfra", "ansible-core"])
  const write = async (name: string, text: string) => {
    await writeFile(join(directory, name), text)
    return join(directory, name)
  }
  const inventory = await write("inventory.py", pyinfraInventory(hosts))
  const ini = await write("inventory.ini", ansibleInventory(hosts))
  const tasks = [{ package: { name: wanted, state: "present" } }]
  const play = await write("play.yaml", JSON.stringify([{ hosts: "all", gather_facts: true, tasks }]))
  const pyinfra = [join(venv, "bin/pyinfra"), "-y", inventory]
  return {
    pyinfra: [...pyinfra, fileURLToPath(new URL("facts.py", import.meta.url))],
    pyinfraPackages: [...pyinfra, "apt.packages", `packages=${wanted}`],
    ansible: [join(venv, "bin/ansible-playbook"), "-i", ini, play],
  }
}

function pyinfraInventory(hosts: readonly HostToAsk[]): string {
  const entries = hosts.map(({ host, port, user, privateKeyPath }) => {
    const more = { ssh_key: privateKeyPath, ssh_strict_host_key_checking: "off" }
    return `("${host}", ${JSON.stringify({ ssh_port: port, ssh_user: user, ...more })})`
  })
  return `hosts = [${entries.join(",\n")}]\n`
}

function ansibleInventory(hosts: readonly HostToAsk[]): string {
  const options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
  return hosts
    .map(
      ({ host, port, user, privateKeyPath }) =>
        `${host} ansible_port=${port} ansible_user=${user} ansible_ssh_private_key_file=${privateKeyPath} ansible_ssh_common_args="${options}"\n`,
    )
    .join("")
}

/** Runs a command to its end; a failure is an error with the last that it said. */
export function run([program, ...args]: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    // ansible's own defaults, but for the place of its control sockets.
    const env = { ...process.env, ANSIBLE_SSH_CONTROL_PATH_DIR: join(tmpdir(), "bench-ansible") }
    const child = spawn(program!, args, { env, stdio: ["ignore", "pipe", "pipe"] })
    let said = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", chunk => {
        said = (said + chunk).slice(-2000)
      })
    }
    child.once("error", reject)
    child.once("close", code =>
      code === 0 ? resolve() : reject(new Error(`${program}: exit ${code}: ${said}`)),
    )
  })
}
