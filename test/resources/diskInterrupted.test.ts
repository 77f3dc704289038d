import { createHash } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import test from "ava"
import type { Properties } from "../../provider/rpc/value.ts"
import { Secret } from "../../provider/secret.ts"
import { failureOf, type Made, ProviderUnderTest } from "../helpers/provider.ts"
import { SimulatedHost } from "../helpers/simulatedXen/host.ts"

const MiB = 1024 * 1024
const urn = "urn:pulumi:s::p::xen:index:Disk::d"

/** Everything that a host keeps of disks, by path; marks of owners by their content. */
async function kept(host: SimulatedHost): Promise<Record<string, string>> {
  const found = await readdir(host.store, { recursive: true, withFileTypes: true }).catch(() => [])
  const files = found.filter(entry => entry.isFile() && entry.name !== "lock")
  const entries = files.map(async entry => {
    const path = join(entry.parentPath, entry.name)
    return [
      path.slice(host.store.length + 1),
      createHash("sha256")
        .update(await readFile(path))
        .digest("hex"),
    ]
  })
  return Object.fromEntries(await Promise.all(entries))
}

const disks: [what: string, given: object][] = [
  [
    "an image",
    { files: { "tls/server.pem": "certificate" }, secrets: new Secret({ "tls/server.key": "key" }) },
  ],
  ["a volume", { volume: { name: "data" }, size: 2, onDelete: "remove" }],
]
const times = ["before", "after"] as const
for (const [what, more] of disks) {
  for (const time of times) {
    test(`${what}: the connection is lost ${time} each remote operation of its creation and deletion, and the next run comes to the same end`, async t => {
      await using host = await SimulatedHost.start()
      await using provider = await ProviderUnderTest.start()
      const given = { connection: host.sabotaged, ...more } as unknown as Properties
      /** Loses the connection once; whether it came to that. */
      const struck = async (at: number, work: () => Promise<unknown>): Promise<boolean> => {
        let hit = false
        const strike = ({ number }: { number: number }): boolean => {
          if (hit || number !== at) return true
          hit = true
          host.saboteur.reset()
          return time !== "before"
        }
        host.operations.restart(time === "before" ? { before: strike } : { after: strike })
        const outcome = await failureOf(work()).catch(() => undefined)
        host.operations.restart()
        // What was asked last may have been answered before the connection was lost.
        t.true(hit || outcome === undefined)
        return hit
      }

      const whole = await provider.create(urn, given)
      const wanted = await kept(host)
      await provider.client.delete(urn, whole.id, whole)
      const empty = await kept(host)
      t.true(Object.keys(wanted).length > Object.keys(empty).length)

      let operations = 0
      for (let at = 1, more = true; more; at++) {
        more = await struck(at, () => provider.create(urn, given))
        const made: Made = await provider.create(urn, given)
        t.deepEqual(await kept(host), wanted, `created, lost ${time} operation ${at}`)
        const again = await struck(at, () => provider.client.delete(urn, made.id, made))
        await provider.client.delete(urn, made.id, made)
        t.deepEqual(await kept(host), empty, `deleted, lost ${time} operation ${at}`)
        if (more || again) operations++
      }
      t.true(operations >= 2, `${operations} operations`)
      const again = await provider.create(urn, given)
      t.is(again.outputs.bytes, whole.outputs.bytes)
      t.is(Number(again.outputs.bytes) % MiB, 0)
    })
  }
}
