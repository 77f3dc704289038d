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
const addresses = { ours: "10.0.2.20", theirs: "10.0.2.21" } as const
const up = ["up", "--yes", "--skip-preview"]

/** A new kernel from this machine to serving: `pulumi up` beside a script as people write it; and an `up` with nothing to do. */
export async function bench(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "bench-deploy-"))
  const machine = await xenMachine({
    forwards: Object.values(addresses).map(address => ({ address, to: 80 })),
  })
  const stack = await PulumiStack.create("unikernels")
  const empty = await PulumiStack.create("unikernels")
  const deployments = new Deployments(machine, stack, folder)
  try {
    const seen = { ours: [] as Deployment[], theirs: [] as Deployment[] }
    const nothing = { ours: [] as number[], theirs: [] as number[] }
    await deployments.ours("first")
    await deployments.theirs("first")
    await empty.configure({ wanted: { hosts: {}, unikernels: {} } })
    await empty.succeed(up)
    for (let round = 0; round < ROUNDS; round++) {
      seen.ours.push(await deployments.ours(`v${round}`))
      seen.theirs.push(await deployments.theirs(`v${round}`))
      nothing.ours.push(await timed(() => stack.succeed(up)))
      nothing.theirs.push(await timed(() => empty.succeed(up)))
    }
    const middle = (of: readonly Deployment[], what: keyof Deployment) =>
      median(of.map(one => one[what])) / 1000
    const row = (name: string, what: "serving" | "down", most: number, note = ""): Row => {
      const [ours, theirs] = [middle(seen.ours, what), middle(seen.theirs, what)]
      const ratio = ours / theirs
      return { name, ours, theirs, unit: "s", ratio, goal: { value: ratio, most }, note }
    }
    const [ours, theirs] = [median(nothing.ours) / 1000, median(nothing.theirs) / 1000]
    return [
      row(
        "new kernel to serving, beside scp, xl destroy, xl create, wait",
        "serving",
        1.3,
        `up ends after ${middle(seen.ours, "whole").toFixed(1)} s, drain and probation over`,
      ),
      row("longest silence meanwhile, seen from outside", "down", 0.05),
      {
        name: "up with nothing to do, beside an empty stack",
        ours,
        theirs,
        unit: "s",
        ratio: ours / theirs,
        goal: { value: ours - theirs, most: 1, words: "s more" },
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

/** Milliseconds. */
interface Deployment {
  /** From the start to the new version's first answer. */
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
            arguments: [`--ipv4=${addresses.ours}/24`, "--ipv4-gateway=10.0.2.2"],
            health: { http: { path: "/health" }, settle: 0, interval: 0.1, timeout: 180 },
          },
        },
      },
    })
    return await this.#watch("ours", version, () => this.#stack.succeed(up))
  }

  /** As it is done by hand: the kernel over the old one's place, destroy, create, wait until it answers. */
  async theirs(version: string): Promise<Deployment> {
    const { host, port, user, privateKeyPath } = this.#machine.host
    const known = join(this.#folder, "known_hosts")
    const settings = ["StrictHostKeyChecking=accept-new", `UserKnownHostsFile=${known}`]
    const options = ["-i", privateKeyPath, ...settings.flatMap(setting => ["-o", setting])]
    const config = [
      "name = 'byhand'",
      "kernel = '/root/hello.xen'",
      "type = 'pvh'",
      "memory = 32",
      "vif = [ 'bridge=xenbr0,mac=00:16:3e:00:00:21' ]",
      `extra = '--ipv4=${addresses.theirs}/24 --ipv4-gateway=10.0.2.2'`,
    ]
    const script = `
      printf '%s\\n' "${config.join('" "')}" >/root/byhand.cfg
      ! xl list byhand >/dev/null 2>&1 || xl destroy byhand
      xl create /root/byhand.cfg
      until curl -sf -m 5 http://${addresses.theirs}/health; do sleep 0.1; done`
    const kernel = await this.#kernel(version)
    return await this.#watch("theirs", version, async () => {
      await run("scp", [...options, "-P", String(port), kernel, `${user}@${host}:/root/hello.xen`])
      await run("ssh", [...options, "-p", String(port), `${user}@${host}`, script])
    })
  }

  /** Asks from outside all the while, five times a second, however long an answer takes. */
  async #watch(
    whose: keyof typeof addresses,
    version: string,
    deploy: () => Promise<unknown>,
  ): Promise<Deployment> {
    const url = `http://127.0.0.1:${this.#machine.forward(addresses[whose], 80)}/`
    const began = performance.now()
    let [serving, down, last] = [0, 0, began]
    const ask = async (): Promise<void> => {
      const signal = AbortSignal.timeout(2000)
      const text = await fetch(url, { signal, headers: { connection: "close" } })
        .then(answer => answer.text())
        .catch(() => "")
      if (text === "") return
      const now = performance.now()
      down = Math.max(down, now - last)
      last = now
      if (serving === 0 && text.includes(`version: ${version}\n`)) serving = now - began
    }
    const whole = timed(deploy)
    let state: "under way" | "over" | "failed" = "under way"
    whole.then(
      () => {
        state = "over"
      },
      // Told where it is waited for, below.
      () => {
        state = "failed"
      },
    )
    const isOver = () => state === "failed" || (state === "over" && serving !== 0)
    while (!isOver()) {
      void ask()
      await sleep(200)
    }
    return { serving, down, whole: await whole }
  }
}
