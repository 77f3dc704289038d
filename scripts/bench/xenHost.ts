import { NativeMachine } from "../../test/helpers/nativeMachine/machine.ts"
import { ProviderUnderTest } from "../../test/helpers/provider.ts"
import type { Row } from "./row.ts"
import { StatusWatch } from "./xenHost/watch.ts"

/** What the time goes into that is not ours, by the status lines of `pulumi up`. */
const OTHERS = {
  packages: /^Install |^fetching the lists|^waiting for another package manager/,
  boots: /^waiting for the machine to restart/,
}

/**
 * A bare machine becomes a Xen host: what of the time is ours, beside packages and boots. The machine is the lab's, with
 * this machine's own processor, since what an emulated one takes for our part says nothing of a real one.
 */
export async function bench(): Promise<Row[]> {
  await using machine = await NativeMachine.start()
  await using provider = await ProviderUnderTest.start()
  const { host, port, user, privateKeyPath, hostKey, uplink } = machine.host
  const connection = { host, port, user, privateKeyPath, hostKey }
  const urn = (type: string) => `urn:pulumi:s::p::xen:index:${type}::bench`
  const watch = new StatusWatch(provider.engine, OTHERS)
  await provider.create(urn("Packages"), { connection, xen: true })
  await provider.create(urn("Bridge"), { connection, name: "xenbr0", uplink })
  await provider.create(urn("Dom0"), { connection, memory: 1024 })
  const { total, theirs, ours } = watch.end()
  const waited = [...theirs.values()].reduce((sum, seconds) => sum + seconds, 0)
  const longest = [...ours].sort(([, one], [, other]) => other - one).slice(0, 5)
  return [
    {
      name: "bare machine to Xen proven: what is ours, beside packages and boots",
      ours: total - waited,
      theirs: waited,
      unit: "s",
      ratio: (total - waited) / waited,
      goal: "at most 10 s",
      note: `${tell([...theirs])}; ours most: ${tell(longest)}`,
    },
  ]
}

const tell = (times: readonly (readonly [what: string, seconds: number])[]): string =>
  times.map(([what, seconds]) => `${what} ${seconds.toFixed(1)} s`).join(", ")
