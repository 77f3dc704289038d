import { execFile } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { promisify } from "node:util"
import { type TestMachine, xenMachine } from "../../test/helpers/lab.ts"
import { PulumiStack } from "../../test/helpers/pulumiStack.ts"
import { make } from "../../test/unikernels/support/build.ts"
import { median, type Row, timed } from "./row.ts"

const run = promisify(execFile)
const ROUNDS = 3
const address = "10.0.2.20"
const up = ["up", "--yes", "--skip-preview"]

/** A new kernel from this machine to serving: `pulumi up` beside a script as people write it; and an `up` with nothing to do. */
export async function bench(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "bench-deploy-"))
  const machine = await xenMachine({ forwards: [{ address, to: 80 }] })
  const stack = await PulumiStack.create("unikernels")
  const empty = await PulumiStack.create("unikernels")
  const bench = new Deployments(machine, stack, folder)
  try {
    await empty.configure({ wanted: { hosts: {}, unikernels: {} } })
    const seen = { ours: [] as Deployment[], theirs: [] as Deployment[], whole: [] as number[] }
    await bench.ours("first")
    for (let round = 0; round < ROUNDS; round++) {
      const ours = await bench.ours(`a${round}`)
      seen.ours.push(ours)
      seen.whole.push(ours.whole)
    }
    const nothing = { ours: [] as number[], theirs: [] as number[] }
    await empty.succeed(up)
    for (let round = 0; round < ROUNDS; round++) {
      nothing.ours.push(await timed(() => stack.succeed(up)))
      nothing.theirs.push(await timed(() => empty.succeed(up)))
    }
    await stack.succeed(["destroy", "--yes", "--skip-preview"])
    await bench.theirs("first")
    for (let round = 0; round < ROUNDS; round++) seen.theirs.push(await bench.theirs(`b${round}`))
    const middle = (of: readonly Deployment[], what: "serving" | "down") =>
      median(of.map(one => one[what])) / 1000
    const row = (name: string, what: "serving" | "down", goal: string, note = ""): Row => {
      const [ours, theirs] = [middle(seen.ours, what), middle(seen.theirs, what)]
      return { name, ours, theirs, unit: "s", ratio: ours / theirs, goal, note }
    }
    const [ours, theirs] = [median(nothing.ours) / 1000, median(nothing.theirs) / 1000]
    return [
      row(
        "new kernel to serving, beside scp, xl destroy, xl create, wait",
        "serving",
        "at most 1.3",
        `up ends after ${(median(seen.whole) / 1000).toFixed(1)} s, drain and probation over`,
      ),
      row("longest silence meanwhile, seen from outside", "down", "at most 0.05"),
      {
        name: "up with nothing to do, beside an empty stack",
        ours,
        theirs,
        unit: "s",
        ratio: ours / theirs,
        goal: "at most 1 s more",
        note: `${(ours - theirs).toFixed(2)} s more`,
      },
    ]
  } finally {
    await stack.remove()
    await empty.remove()
    await machine[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  }
}

interface Deployment {
  /** Milliseconds from the start to the new version's first answer. */
  readonly serving: number
  /** The longest time between two answers. */
  readonly down: number
  /** Until the command came to its end. */
  readonly whole: number
}

class Deployments {
  readonly #machine: TestMachine
  readonly #stack: PulumiStack
  readonly #folder: string

  constructor(machine: TestMachine, stack: PulumiStack, folder: string) {
    this.#machine = machine
    this.#stack = stack
    this.#folder = folder
  }

  /** hello that shows the version: built before the clock runs. */
  async #kernel(version: string): Promise<string> {
    const dist = join(this.#folder, version)
    await make("all", dist, { VERSION: version })
    return join(dist, "hello.xen")
  }

  async ours(version: string): Promise<Deployment> {
    const { host, port, user, hostKey, privateKeyPath } = this.#machine.host
    await this.#stack.configure({
      wanted: {
        hosts: { lab: { connection: { host, port, user, hostKey, privateKeyPath } } },
        unikernels: {
          www: {
            host: "lab",
            kernel: await this.#kernel(version),
            arguments: [`--ipv4=${address}/24`, "--ipv4-gateway=10.0.2.2"],
            health: { http: { path: "/health" }, settle: 0, interval: 0.1, timeout: 180 },
          },
        },
      },
    })
    return await this.#watch(version, () => this.#stack.succeed(up))
  }

  /** As it is done by hand: the kernel over the old one's place, destroy, create, wait until it answers. */
  async theirs(version: string): Promise<Deployment> {
    const { host, port, user, privateKeyPath } = this.#machine.host
    const known = join(this.#folder, "known_hosts")
    const options = [
      "-o",
      "StrictHostKeyChecking=accept-new",
      "-o",
      `UserKnownHostsFile=${known}`,
      "-i",
      privateKeyPath,
    ]
    const config = [
      "name = 'www'",
      "kernel = '/root/hello.xen'",
      "type = 'pvh'",
      "memory = 32",
      "vif = [ 'bridge=xenbr0,mac=00:16:3e:00:00:20' ]",
      `extra = '--ipv4=${address}/24 --ipv4-gateway=10.0.2.2'`,
    ]
    const script = `
      printf '%s\\n' "${config.join('" "')}" >/root/www.cfg
      ! xl list www >/dev/null 2>&1 || xl destroy www
      xl create /root/www.cfg
      until curl -sf -m 5 http://${address}/health; do sleep 0.1; done`
    const kernel = await this.#kernel(version)
    return await this.#watch(version, async () => {
      await run("scp", [...options, "-P", String(port), kernel, `${user}@${host}:/root/hello.xen`])
      await run("ssh", [...options, "-p", String(port), `${user}@${host}`, script])
    })
  }

  /** Asks from outside all the while. */
  async #watch(version: string, deploy: () => Promise<unknown>): Promise<Deployment> {
    const url = `http://127.0.0.1:${this.#machine.forward(address, 80)}/`
    const began = performance.now()
    let [serving, down, last] = [0, 0, began]
    const whole = timed(deploy)
    let [over, failed] = [false, false]
    whole.then(
      () => {
        over = true
      },
      // Told where it is waited for, below.
      () => {
        failed = true
      },
    )
    while (!failed && (!over || serving === 0)) {
      const text = await fetch(url, { signal: AbortSignal.timeout(1000), headers: { connection: "close" } })
        .then(answer => answer.text())
        .catch(() => "")
      const now = performance.now()
      if (text) {
        down = Math.max(down, now - last)
        last = now
        if (serving === 0 && text.includes(`version: ${version}\n`)) serving = now - began
      }
      await sleep(10)
    }
    return { serving, down, whole: await whole }
  }
}
