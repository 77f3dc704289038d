import { spawn } from "node:child_process"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { startIsolatedHost } from "../../test/helpers/isolatedHost.ts"
import { pvhKernel } from "../../test/helpers/kernels.ts"
import { PulumiStack } from "../../test/helpers/pulumiStack.ts"
import { median, type Row, timed } from "./row.ts"

const provider = fileURLToPath(new URL("../../provider/pulumi-resource-xen", import.meta.url))

/** What the provider adds to every `pulumi up`. */
export async function bench(): Promise<Row[]> {
  return [await start(), await noOp(10)]
}

/** Until the port is printed, beside a Node that does nothing at all. */
async function start(): Promise<Row> {
  const ours: number[] = []
  const theirs: number[] = []
  await timed(() => untilOutput(provider, []))
  for (let round = 0; round < 9; round++) {
    ours.push(await timed(() => untilOutput(provider, [])))
    theirs.push(await timed(() => untilOutput(process.execPath, ["-e", "console.log(0)"])))
  }
  const [mine, bare] = [median(ours), median(theirs)]
  const goal = { value: mine, most: 250, words: "ms" }
  return {
    name: "provider start to port, beside bare node",
    ours: mine,
    theirs: bare,
    unit: "ms",
    ratio: mine / bare,
    goal,
  }
}

function untilOutput(program: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] })
    child.once("error", reject)
    child.stdout.once("data", () => {
      child.kill()
      child.once("exit", () => resolve())
    })
  })
}

/** `up --skip-preview` of a stack where nothing changed, beside a stack with nothing in it. */
async function noOp(count: number): Promise<Row> {
  const host = await startIsolatedHost()
  const [full, empty] = [await PulumiStack.create("kernels"), await PulumiStack.create("kernels")]
  try {
    const folder = join(full.project, "images")
    await mkdir(folder)
    const kernels: { [name: string]: { source: string } } = {}
    for (let i = 0; i < count; i++) {
      const source = await full.write(
        `images/k${i}.xen`,
        pvhKernel(Buffer.alloc(10 * 1024 ** 2, `kernel ${i} `)),
      )
      kernels[`k${i}`] = { source }
    }
    await full.configure({ wanted: { connection: host.connection, kernels } })
    const up = ["up", "--yes", "--skip-preview"]
    await full.succeed(up)
    await empty.succeed(up)
    const times = { ours: [] as number[], theirs: [] as number[] }
    for (let round = 0; round < 5; round++) {
      times.ours.push((await timed(() => full.succeed(up))) / 1000)
      times.theirs.push((await timed(() => empty.succeed(up))) / 1000)
    }
    const [ours, theirs] = [median(times.ours), median(times.theirs)]
    const name = `no-op up with ${count} kernels of 10 MiB, beside an empty stack`
    const note = `${(ours - theirs).toFixed(2)} s more`
    const goal = { value: ours - theirs, most: 1, words: "s more" }
    return { name, ours, theirs, unit: "s", ratio: ours / theirs, goal, note }
  } finally {
    await host.stop()
    await full.remove()
    await empty.remove()
  }
}
