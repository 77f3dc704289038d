import { spawn } from "node:child_process"
import { mkdir, writeFile } from "node:fs/promises"
import { homedir, tmpdir } from "node:os"
import { join } from "node:path"
import { readFacts } from "../../provider/host/facts/probe.ts"
import { ConnectionPool } from "../../provider/ssh/index.ts"
import { ProviderUnderTest } from "../../test/helpers/provider.ts"
import { PulumiStack } from "../../test/helpers/pulumiStack.ts"
import { type Sshd, startSshd } from "../../test/helpers/sshd.ts"
import { freePort } from "../lab/ports.ts"
import { median, type Row, timed } from "./row.ts"

const count = 100
/** Each round of the other tools costs two cores a minute. */
const rounds = 1
const addresses = Array.from({ length: count }, (_, index) => `127.0.1.${index + 1}`)
/** What every Debian has: the check finds nothing to do. */
const wanted = "dpkg"

/** A check that finds nothing to do: of one host, and of a hundred. */
export async function bench(): Promise<Row[]> {
  const sshd = await startServers()
  try {
    return [await oneHost(sshd), ...(await manyHosts(sshd))]
  } finally {
    await Promise.all(sshd.map(one => one.stop()))
  }
}

/** OpenSSH listens at 16 addresses at most (MAX_LISTEN_SOCKS of sshd.c). What the checks write is kept to themselves. */
async function startServers(): Promise<Sshd[]> {
  const hide = 'mkdir -p /var/lib/pulumi-xen && mount -t tmpfs tmpfs /var/lib/pulumi-xen && exec "$@"'
  const within = ["unshare", "--mount", "sh", "-c", hide, "sh"]
  const servers: Sshd[] = []
  for (let first = 0; first < count; first += 15) {
    const [host, ...others] = addresses.slice(first, first + 15)
    const port = await freePort()
    const config = [...others.map(address => `ListenAddress ${address}:${port}`), "MaxStartups 500"]
    servers.push(await startSshd({ host: host!, port, config, within }))
  }
  return servers
}

/** How each of the hundred is reached. */
function hostsOf(servers: readonly Sshd[]) {
  return addresses.map((host, at) => {
    const { port, user, keyPath, hostKey } = servers[Math.floor(at / 15)]!
    return { host, port, user, privateKeyPath: keyPath, hostKey }
  })
}

/** A refresh of a resource through the provider, beside the probe's own command over an open connection. */
async function oneHost(servers: readonly Sshd[]): Promise<Row> {
  await using provider = await ProviderUnderTest.start()
  const pool = new ConnectionPool()
  const urn = "urn:pulumi:s::p::xen:index:Packages::base"
  const made = await provider.create(urn, {
    connection: hostsOf(servers)[0]!,
    packages: [wanted],
  })
  const bare = await pool.get(servers[0]!.target)
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = 0; round < 15; round++) {
    ours.push(await timed(() => provider.client.read(urn, made.id, made)))
    theirs.push(await timed(() => readFacts(bare, { packages: [wanted] })))
  }
  await pool.close()
  const [mine, command] = [median(ours), median(theirs)]
  return {
    name: "no-op check of a host, beside its one command over an open connection",
    ours: mine,
    theirs: command,
    unit: "ms",
    ratio: mine / command,
    goal: "at most 50 ms more",
    note: `${(mine - command).toFixed(1)} ms more`,
  }
}

/** Facts and packages of all hosts: a refresh and an update that change nothing, beside other tools' same check. */
async function manyHosts(servers: readonly Sshd[]): Promise<Row[]> {
  const tools = await otherTools(servers)
  const stack = await PulumiStack.create("packages")
  try {
    const hosts = hostsOf(servers)
    await stack.configure({ hosts, packages: [wanted] })
    const up = ["up", "--yes", "--skip-preview", "--parallel", "20"]
    await stack.succeed(up)
    const ours: number[] = []
    const theirs = tools.map((): number[] => [])
    for (let round = 0; round < rounds; round++) {
      ours.push(await timed(() => stack.succeed([...up, "--refresh"])))
      for (const [at, tool] of tools.entries()) theirs[at]!.push(await timed(() => run(tool.command)))
    }
    const mine = median(ours) / 1000
    return tools.map(({ name }, at) => {
      const other = median(theirs[at]!) / 1000
      return {
        name: `no-op of ${count} hosts, beside ${name}`,
        ours: mine,
        theirs: other,
        unit: "s",
        ratio: mine / other,
        ...(name === "pyinfra" && { goal: "at most 0.25" }),
      }
    })
  } finally {
    await stack.remove()
  }
}

interface Tool {
  readonly name: string
  readonly command: readonly string[]
}

/** pyinfra and ansible-core from PyPI, in an environment of their own in the cache. */
async function otherTools(servers: readonly Sshd[]): Promise<Tool[]> {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "pulumi-xen", "bench")
  const venv = join(cache, "venv")
  await mkdir(cache, { recursive: true })
  await run(["python3", "-m", "venv", venv])
  await run([join(venv, "bin/pip"), "install", "--quiet", "pyinfra", "ansible-core"])
  const { directory } = servers[0]!
  const hosts = hostsOf(servers)
  const inventory = join(directory, "inventory.py")
  const entries = hosts.map(({ host, port, user, privateKeyPath }) => {
    const data = {
      ssh_port: port,
      ssh_user: user,
      ssh_key: privateKeyPath,
      ssh_strict_host_key_checking: "off",
    }
    return `("${host}", ${JSON.stringify(data)})`
  })
  await writeFile(inventory, `hosts = [${entries.join(",\n")}]\n`)
  const ini = join(directory, "inventory.ini")
  const options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
  const lines = hosts.map(
    ({ host, port, user, privateKeyPath }) =>
      `${host} ansible_port=${port} ansible_user=${user} ansible_ssh_private_key_file=${privateKeyPath} ansible_ssh_common_args="${options}"\n`,
  )
  await writeFile(ini, lines.join(""))
  const play = join(directory, "play.yaml")
  await writeFile(
    play,
    JSON.stringify([
      { hosts: "all", gather_facts: true, tasks: [{ package: { name: wanted, state: "present" } }] },
    ]),
  )
  return [
    {
      name: "pyinfra",
      command: [join(venv, "bin/pyinfra"), "-y", inventory, "apt.packages", `packages=${wanted}`],
    },
    {
      name: "ansible-core",
      command: [join(venv, "bin/ansible-playbook"), "--forks", "20", "-i", ini, play],
    },
  ]
}

function run([program, ...args]: readonly string[]): Promise<void> {
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
