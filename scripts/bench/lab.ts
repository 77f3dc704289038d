import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { bareMachine, type TestMachine, xenMachine } from "../../test/helpers/lab.ts"
import { run } from "../lab/run.ts"
import { median, type Row, timed } from "./row.ts"

const ROUNDS = 5

/** How long a bare machine takes to answer over ssh, and a unikernel to answer over HTTP. */
export async function bench(): Promise<Row[]> {
  return [...(await timeToSsh()), await timeToHttp()]
}

async function timeToSsh(): Promise<Row[]> {
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
      goal: "seconds",
    },
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

/** From `xl create` to hello's first answer through the bridge and QEMU's network, beside `xl create` alone. */
async function timeToHttp(): Promise<Row> {
  const hello = join(import.meta.dirname, "../../unikernels/hello")
  await run("build hello", ["make", "-C", hello])
  await using host = await xenMachine({ forwards: [{ address: "10.0.2.20", to: 80 }] })
  await install(host, await readFile(join(hello, "dist/hello.xen")))
  const url = `http://127.0.0.1:${host.forward("10.0.2.20", 80)}/health`
  const creates: number[] = []
  const answers: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now()
    await host.run("xl create -q /root/hello.cfg")
    creates.push(performance.now() - began)
    await firstAnswer(url)
    answers.push(performance.now() - began)
    await host.run("xl destroy hello")
  }
  const [ours, theirs] = [median(answers) / 1000, median(creates) / 1000]
  return {
    name: "hello from xl create to HTTP, beside xl create alone",
    ours,
    theirs,
    unit: "s",
    ratio: ours / theirs,
  }
}

async function install(host: TestMachine, kernel: Buffer): Promise<void> {
  await host.run(`
base64 -d > /root/hello.xen << 'END'
${kernel.toString("base64")}
END
cat > /root/hello.cfg << 'END'
name = "hello"
type = "pvh"
kernel = "/root/hello.xen"
memory = 16
vif = ["bridge=xenbr0"]
extra = "--ipv4=10.0.2.20/24 --ipv4-gateway=10.0.2.2"
END
`)
}

async function firstAnswer(url: string): Promise<void> {
  for (;;) {
    const answer = await fetch(url, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined)
    if (answer?.ok) return
    await sleep(10)
  }
}
