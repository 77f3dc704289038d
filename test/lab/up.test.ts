import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import test from "ava"
import { labHost, labHosts } from "../../hosts/lab.ts"
import { bareImage, snapshot } from "../../scripts/lab/image.ts"
import { defaultHardware, enter, type LabOptions, up } from "../../scripts/lab/labs.ts"
import { labsDirectory } from "../../scripts/lab/paths.ts"
import { freePort } from "../../scripts/lab/ports.ts"
import { run } from "../../scripts/lab/run.ts"
import { type Door, runScript } from "../../scripts/lab/shell.ts"
import { machineTurn, TURN } from "../helpers/lab.ts"

const name = `test-${process.pid}`
const other = `${name}-other`

type Ended = { code: number; stdout: string; stderr: string }

const program = join(import.meta.dirname, "../../scripts/lab.ts")

const execute = (file: string, args: string[]) =>
  new Promise<Ended>(resolve => {
    execFile(file, args, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    )
  })

const lab = (...args: string[]) => execute(process.execPath, [program, ...args])

const onMachine = async (script: string) => runScript("test", (await enter(name)).door, script)

// Whatever has to be built is built here, so that the tests themselves take seconds.
test.before(async t => {
  t.timeout(TURN)
  await machineTurn()
  await snapshot(await bareImage("debian", await defaultHardware()))
})

test.after.always(async () => {
  await lab("down", "--remove", "--name", name)
  await lab("down", "--remove", "--name", other)
})

test.serial(
  "of two `lab up` at once one makes the machine and the other waits and says that it runs already",
  async t => {
    const both = await Promise.all([lab("up", "--name", name), lab("up", "--name", name)])
    t.deepEqual(
      both.map(({ code }) => code),
      [0, 0],
      both.map(({ stderr }) => stderr).join(""),
    )
    const said = both.map(({ stdout }) => stdout).sort()
    t.regex(
      said[0]!,
      new RegExp(`^The lab ${name} is up: debian, 4096 MiB, (kvm|tcg), ssh on port \\d+ of 127.0.0.1`),
    )
    t.regex(said[1]!, new RegExp(`^The lab ${name} runs already: `))
  },
)

test.serial(
  "the inventory's data alone open the machine: address, user, key and pinned host key",
  async t => {
    const host = labHost(name)
    t.deepEqual(
      Object.keys(labHosts()).filter(found => found === name),
      [name],
    )
    t.is(host.uplink, "eth0")
    const { code, stdout } = await openssh(
      host,
      host.hostKey,
      "cat /etc/debian_version; cat /proc/sys/kernel/hostname",
    )
    t.is(code, 0)
    t.regex(stdout, /^12\.\d+\nlab\n$/)
  },
)

test.serial(
  "the web servers of three domains can be reached from outside the machine, at ports that the inventory names",
  t => {
    const { forwards, port } = labHost(name)
    t.deepEqual(
      forwards.map(({ address, to }) => `${address}:${to}`),
      ["10.0.2.20:80", "10.0.2.21:80", "10.0.2.22:80"],
    )
    t.is(new Set([port, ...forwards.map(forward => forward.port)]).size, 4)
    t.true(forwards.every(forward => forward.port > 1023))
  },
)

test.serial("a machine that is there is not made into another one: what differs is named", async t => {
  const other = ["--forward", "8080:10.0.2.20:80", "--memory", "1024", "--flavour", "rpm"]
  const { code, stderr } = await lab("up", "--name", name, ...other)
  t.is(code, 1)
  t.true(
    stderr.startsWith(
      `lab: start the lab ${name}: it is there already, with another flavour and memory and forward. Choose`,
    ),
    stderr,
  )
})

test.serial("a machine that shows another host key than the pinned one is refused", async t => {
  const host = labHost(name)
  const stranger = await readFile(
    join((await snapshot(await bareImage("debian", await defaultHardware()))).keys, "host_ed25519.pub"),
    "utf8",
  )
  const { code, stderr } = await openssh(host, stranger.trim(), "true")
  t.is(code, 255)
  t.regex(stderr, /Host key verification failed/)
})

test.serial("the keys of the image do not open a machine made from it", async t => {
  const { keys } = await snapshot(await bareImage("debian", await defaultHardware()))
  const { door } = await enter(name)
  // The machine's own host key, with the image's user key.
  const mixed = await mkdtemp(join(tmpdir(), "lab-keys-"))
  for (const [from, file] of [
    [keys, "id_ed25519"],
    [door.keys, "known_hosts"],
  ] as const) {
    await writeFile(join(mixed, file), await readFile(join(from, file)), { mode: 0o600 })
  }
  await t.throwsAsync(runScript("enter", { ...door, keys: mixed } satisfies Door, "true"), {
    message: /Permission denied/,
  })
  await rm(mixed, { recursive: true })
})

test.serial("the machine's clock is right, though it stood still in the snapshot", async t => {
  const there = Number(await onMachine("date +%s"))
  t.true(Math.abs(there - Date.now() / 1000) < 60, `${there}`)
})

test.serial("`lab ssh -- COMMAND` runs it and ends with its exit code", async t => {
  const { code, stdout } = await lab("ssh", "--name", name, "--", "echo here; exit 7")
  t.deepEqual([code, stdout], [7, "here\n"])
})

test.serial("`lab console` is the serial line", async t => {
  const child = spawn(process.execPath, [program, "console", "--name", name], {
    stdio: ["pipe", "pipe", "ignore"],
  })
  let heard = ""
  child.stdin.write("\r")
  for await (const chunk of child.stdout) {
    heard += chunk
    if (heard.includes("login:")) break
  }
  t.regex(heard, /lab login:/)
  child.stdin.write("\x1d")
  await once(child, "exit")
})

test.serial(
  "packages come through the lab's cache: what one machine downloaded the next has without the network",
  async t => {
    const uri = await run("name a package", ["apt-get", "--print-uris", "download", "dash"])
    const path = /\/debian(-security)?\/pool\/[^']+/.exec(uri)![0]
    const fetching = `/usr/lib/apt/apt-helper download-file http://10.0.2.9${path} /tmp/deb > /dev/null; sha256sum < /tmp/deb`
    const first = await onMachine(fetching)
    const hardware = await defaultHardware()
    const options: LabOptions = { name: other, flavour: "debian", hardware }
    // QEMU hands its environment on to the package server that it starts.
    await withEnvironment({ LAB_DEBIAN_MIRROR: "http://127.0.0.1:9" }, () => up(options))
    t.is(await runScript("fetch without a network", (await enter(other)).door, fetching), first)
    t.is((await lab("status")).stdout.split("\n").filter(line => line.startsWith(name)).length, 2)
  },
)

test.serial(
  "`down` shuts its own machine down and no other; `up` starts it again with its disk and its port",
  async t => {
    await onMachine("echo kept > /root/kept")
    const { port, forwards } = labHost(name)
    t.regex((await lab("down", "--name", name)).stdout, /is shut down\.$/m)
    const states = JSON.parse((await lab("status", "--json")).stdout) as { name: string; state: string }[]
    t.is(states.find(state => state.name === name)?.state, "stopped")
    t.is(states.find(state => state.name === other)?.state, "running")
    t.regex(
      (await lab("ssh", "--name", name)).stderr,
      /its machine is stopped\. Run: npm run lab -- up --name/,
    )
    t.regex((await lab("up", "--name", name)).stdout, /is up again: /)
    t.is(await onMachine("cat /root/kept"), "kept\n")
    t.is(labHost(name).port, port)
    t.deepEqual(labHost(name).forwards, forwards)
  },
)

test.serial(
  "a port of its own choosing that somebody has taken meanwhile is exchanged for another",
  async t => {
    const [taken, ...others] = labHost(name).forwards
    await (await enter(name)).machine.powerCut()
    const server = createServer().listen(taken!.port, "127.0.0.1")
    await once(server, "listening")
    const { code, stderr } = await lab("up", "--name", name)
    server.close()
    t.is(code, 0, stderr)
    const [instead, ...kept] = labHost(name).forwards
    t.not(instead!.port, taken!.port)
    t.deepEqual([instead!.address, kept], [taken!.address, others])
  },
)

test.serial("a machine whose power was cut is known to be stopped, for all its pid file says", async t => {
  await (await enter(name)).machine.powerCut()
  await t.throwsAsync(enter(name), { message: /its machine is stopped/ })
  t.regex(await readFile(join(labsDirectory(), name, "qemu.pid"), "utf8"), /^\d+/)
})

test.serial("`reset` makes it bare again, with the same keys and port, whether it ran or not", async t => {
  const before = labHost(name)
  t.regex((await lab("reset", "--name", name)).stdout, /is bare again: /)
  t.deepEqual(labHost(name), before)
  await t.throwsAsync(onMachine("cat /root/kept"), { message: /No such file/ })
})

test.serial("a forward to a taken port is a sentence, and no machine is left", async t => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as { port: number }
  await lab("down", "--remove", "--name", other)
  const { code, stderr } = await lab("up", "--name", other, "--forward", `${port}:10.0.2.20:80`)
  server.close()
  t.is(code, 1)
  t.is(
    stderr,
    `lab: start the lab ${other}: port ${port} of 127.0.0.1 is in use. Choose another one with --forward, or stop its owner\n`,
  )
  t.is(labHosts()[other], undefined)
})

test.serial("a forward leads to an address of the guest's own network", async t => {
  const port = await freePort()
  await lab("up", "--name", other, "--forward", `${port}:10.0.2.20:80`)
  const { door } = await enter(other)
  await runScript(
    "serve",
    door,
    "ip address add 10.0.2.20/24 dev eth0; mkdir -p /srv/www; echo yes > /srv/www/index.html",
  )
  const answer = `HTTP/1.0 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nyes`
  const serve = `perl -MIO::Socket::INET -e '$l=IO::Socket::INET->new(LocalAddr=>"10.0.2.20:80",Listen=>1) or die; fork and exit; close STDOUT; close STDERR; $c=$l->accept; sysread $c,$_,4096; print $c "${answer}"'`
  await runScript("serve", door, serve)
  t.is(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "yes")
  t.deepEqual(labHost(other).forwards, [{ port, address: "10.0.2.20", to: 80 }])
})

test.serial("a `lab up` killed with kill -9 after QEMU's start is made good by the next one", async t => {
  await lab("down", "--remove", "--name", other)
  const child = spawn(process.execPath, [program, "up", "--name", other], { stdio: "ignore" })
  const pidFile = join(labsDirectory(), other, "qemu.pid")
  const started = async () => Number(await readFile(pidFile, "utf8").catch(() => "0"))
  while ((await started()) === 0) await sleep(20)
  child.kill("SIGKILL")
  const halfMade = await started()
  t.is(labHosts()[other], undefined)
  const { code, stdout, stderr } = await lab("up", "--name", other)
  t.is(code, 0, stderr)
  t.regex(stdout, / is up: /)
  t.false(existsSync(`/proc/${halfMade}`))
  t.is((await lab("ssh", "--name", other, "--", "echo yes")).stdout, "yes\n")
})

test.serial("without root's rights `up`, `ssh`, `reset` and `down` do the same", async t => {
  await lab("down", "--remove", "--name", other)
  // A user who owns the same cache and has no capability: alone in a user name space, and not root there.
  const user = ["--user", "--map-user=65534", "--map-group=65534"]
  const script = `
    id -un
    for step in up reset "down --remove"; do
      "$1" "$2" $step --name "$3"
      [ "$step" = "down --remove" ] || "$1" "$2" ssh --name "$3" -- id -un
    done`
  const words = [process.execPath, program, other]
  const { code, stdout, stderr } = await execute("unshare", [...user, "sh", "-euc", script, "sh", ...words])
  t.is(code, 0, stderr)
  t.deepEqual(
    stdout
      .trim()
      .split("\n")
      .map(line => line.replace(/: .*/, "")),
    [
      "nobody",
      `The lab ${other} is up`,
      "root",
      `The lab ${other} is bare again`,
      "root",
      `The lab ${other} is removed.`,
    ],
  )
  t.is(labHosts()[other], undefined)
})

/** OpenSSH's own client with nothing but what the inventory has. */
async function openssh(host: ReturnType<typeof labHost>, hostKey: string, command: string): Promise<Ended> {
  const directory = await mkdtemp(join(tmpdir(), "lab-ssh-"))
  const knownHosts = join(directory, "known_hosts")
  await writeFile(knownHosts, `[${host.host}]:${host.port} ${hostKey}\n`)
  const options = [
    "BatchMode=yes",
    "IdentitiesOnly=yes",
    `UserKnownHostsFile=${knownHosts}`,
    "StrictHostKeyChecking=yes",
  ]
  const args = [
    "-F",
    "none",
    "-i",
    host.privateKeyPath,
    "-p",
    `${host.port}`,
    ...options.flatMap(option => ["-o", option]),
  ]
  return await new Promise(resolve => {
    execFile("ssh", [...args, `${host.user}@${host.host}`, command], (error, stdout, stderr) => {
      rm(directory, { recursive: true }).then(() =>
        resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
      )
    })
  })
}

async function withEnvironment<T>(values: Record<string, string>, work: () => Promise<T>): Promise<T> {
  Object.assign(process.env, values)
  try {
    return await work()
  } finally {
    for (const key of Object.keys(values)) delete process.env[key]
  }
}
