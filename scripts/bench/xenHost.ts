import { execFileSync } from "node:child_process"
import { bareMachine, type TestMachine } from "../../test/helpers/lab.ts"
import { ProviderUnderTest } from "../../test/helpers/provider.ts"
import type { Row } from "./row.ts"
import { StatusWatch } from "./xenHost/watch.ts"

/** What the time goes into that is not ours, by the status lines of `pulumi up`. */
const OTHERS = {
  packages: /^Install |^fetching the lists|^waiting for another package manager/,
  boots: /^waiting for the machine to restart/,
}

/**
 * A bare machine of the lab becomes a Xen host: what of the time is ours, beside packages and boots. Where the machine
 * is emulated, all that runs on it takes many times as long: how many is told with it.
 */
export async function bench(): Promise<Row[]> {
  await using machine = await bareMachine("debian")
  await using provider = await ProviderUnderTest.start()
  const slowness = await slownessOf(machine)
  const { host, port, user, privateKeyPath, hostKey, uplink, xenOptions } = machine.host
  const connection = { host, port, user, privateKeyPath, hostKey }
  const urn = (type: string) => `urn:pulumi:s::p::xen:index:${type}::bench`
  const watch = new StatusWatch(provider.engine, OTHERS)
  await provider.create(urn("Packages"), { connection, xen: true })
  await provider.create(urn("Bridge"), { connection, name: "xenbr0", uplink, window: 240 })
  // In software emulation GRUB's menu alone takes minutes, and that is part of the window.
  await provider.create(urn("Dom0"), { connection, memory: 1024, xenOptions: [...xenOptions], window: 1500 })
  const { total, theirs, ours } = watch.end()
  const waited = [...theirs.values()].reduce((sum, seconds) => sum + seconds, 0)
  const longest = [...ours].sort(([, one], [, other]) => other - one).slice(0, 3)
  return [
    {
      name: "bare machine to Xen proven: what is ours, beside packages and boots",
      ours: total - waited,
      theirs: waited,
      unit: "s",
      ratio: (total - waited) / waited,
      goal: "at most 10 s",
      note: `${tell([...theirs])}; ours most: ${tell(longest)}; a process takes ${slowness.toFixed(1)} times as long there`,
    },
  ]
}

const tell = (times: readonly (readonly [what: string, seconds: number])[]): string =>
  times.map(([what, seconds]) => `${what} ${seconds.toFixed(1)} s`).join(", ")

/** How many times as long as here a machine takes to start a process: what our commands there are made of. */
async function slownessOf(machine: TestMachine): Promise<number> {
  const script = "from=$(date +%s%N); for i in $(seq 200); do /bin/true; done; echo $(($(date +%s%N) - from))"
  const there = Number(await machine.run(script))
  const here = Number(execFileSync("sh", ["-c", script], { encoding: "utf8" }))
  return there / here
}
