import { readFacts } from "../../../provider/host/facts/probe.ts"
import type { Properties } from "../../../provider/rpc/value.ts"
import { ConnectionPool } from "../../../provider/ssh/index.ts"
import type { NativeMachine } from "../../../test/helpers/nativeMachine/machine.ts"
import { ProviderUnderTest } from "../../../test/helpers/provider.ts"
import type { PulumiStack } from "../../../test/helpers/pulumiStack.ts"
import { median, type Row, timed } from "../row.ts"

const rounds = 15

/** A refresh of all resources of a host, beside the probe's own command and beside a bare round trip. */
export async function noOpCheck(machine: NativeMachine, stack: PulumiStack): Promise<Row> {
  const { host, port, user, hostKey, privateKeyPath } = machine.host
  const parts = (await stack.resources()).filter(({ id, type }) => id && type.startsWith("xen:"))
  const pool = new ConnectionPool()
  await using provider = await ProviderUnderTest.start()
  const check = async () => {
    const reads = parts.map(({ urn, id, inputs, outputs }) =>
      provider.client.read(urn, id!, { inputs: inputs as Properties, outputs: outputs as Properties }),
    )
    for (const { outputs } of await Promise.all(reads))
      if ((outputs.drift as string[]).length > 0)
        throw new Error(`it is not as it was made: ${String(outputs.drift)}`)
  }
  try {
    const connection = await pool.get({ host, port, user, hostKey, privateKeyPath, sshConfig: false })
    const times = { ours: [] as number[], probe: [] as number[], trip: [] as number[] }
    await check()
    for (let round = 0; round < rounds; round++) {
      times.ours.push(await timed(check))
      times.probe.push(await timed(() => readFacts(connection, { packages: ["nftables"] })))
      times.trip.push(await timed(() => connection.run(["true"])))
    }
    const [ours, theirs, trip] = [median(times.ours), median(times.probe), median(times.trip)]
    const more = ours - 2 * trip
    return {
      name: `no-op check of a Xen host (${parts.length} resources), beside the probe's command over an open connection`,
      ours,
      theirs,
      unit: "ms",
      ratio: ours / theirs,
      goal: { value: more, most: 50, words: "ms more than two bare round trips" },
      note: `a bare round trip (true) ${trip.toFixed(1)} ms: ${more.toFixed(1)} ms more than two; ${(ours - theirs).toFixed(1)} ms more than the probe`,
    }
  } finally {
    await pool.close()
  }
}
