import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bareMachine } from "../../test/helpers/lab.ts"
import { helloRow } from "./lab/hello.ts"
import { median, type Row, timed } from "./row.ts"

const ROUNDS = 5

/**
 * How long a bare machine takes to answer over ssh: from nothing, from the cached disk, from the snapshot; and how
 * long hello takes to answer on one that runs Xen.
 */
export async function bench(): Promise<Row[]> {
  const once = (boot: boolean) => async () => {
    await using _ = await bareMachine("debian", { boot })
  }
  const nothing = await fromNothing(once(true))
  // Both images are there now; the first restored machine has made the snapshot.
  await once(false)()
  const boots: number[] = []
  const restores: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    restores.push(await timed(once(false)))
    if (round < 3) boots.push(await timed(once(true)))
  }
  const boot = median(boots)
  const row = (name: string, ours: number): Row => ({
    name,
    ours: ours / 1000,
    theirs: boot / 1000,
    unit: "s",
    ratio: ours / boot,
  })
  return [
    {
      ...row("ssh from nothing, beside a boot from the cached disk", nothing),
      note: "packages, disk, two boots",
    },
    {
      ...row("ssh from the snapshot, beside a boot from the cached disk", median(restores)),
      goal: { value: median(restores) / 1000, most: 10, words: "s" },
    },
    await helloRow(),
  ]
}

/** The same with a cache that is empty: everything is downloaded and built. */
async function fromNothing(work: () => Promise<void>): Promise<number> {
  const usual = process.env.PULUMI_XEN_CACHE
  const empty = await mkdtemp(join(tmpdir(), "bench-lab-"))
  process.env.PULUMI_XEN_CACHE = empty
  try {
    return await timed(work)
  } finally {
    if (usual === undefined) delete process.env.PULUMI_XEN_CACHE
    else process.env.PULUMI_XEN_CACHE = usual
    await rm(empty, { recursive: true })
  }
}
