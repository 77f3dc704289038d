import { check, parse, XlcfgError } from "../../xlcfg/src/index.ts"
import { buildOracle, type Oracle } from "../../xlcfg/test/helpers/oracle.ts"
import { median, type Row, timed } from "./row.ts"

const MIB = 1 << 20
const ROUNDS = 7

/** A configuration of about `size` bytes, its keys all different, with what configurations have in them. */
function largeCfg(size: number): string {
  const parts: string[] = []
  for (let length = 0; length < size; length += parts.at(-1)!.length) {
    const n = parts.length
    parts.push(
      `# domain ${n}\nname_${n} = 'www${n}'\nkernel_${n} = "/var/lib/xen/www-${n}.xen" # the image\nmemory_${n} = 256; vcpus_${n} = 0x2\n` +
        `disk_${n} = [ 'format=raw,vdev=xvda,access=rw,target=/dev/vg/www${n}',\n  "phy:/dev/vg/tls\\t${n},xvdb,r", ]\n` +
        `vif_${n} = [ 'mac=00:16:3e:00:00:01,bridge=xenbr0' ]\n`,
    )
  }
  return parts.join("")
}

/** A domain of about `size` bytes: it has some thousands of network interfaces. */
function largeDomain(size: number): string {
  const vifs = Array.from({ length: Math.ceil(size / 80) }, (_, n) => {
    const mac = `00:16:3e:${[n >> 16, (n >> 8) & 255, n & 255].map(byte => byte.toString(16).padStart(2, "0")).join(":")}`
    return `  'mac=${mac},bridge=xenbr0,ip=10.0.0.${n % 256},vifname=www${n}',\n`
  })
  return `name = 'www'\nkernel = '/var/lib/xen/www.xen'\nmemory = 64\nvif = [\n${vifs.join("")}]\n`
}

/** xlcfg beside Xen's own libxlutil: speed on a large file, its growth with the size, and a hostile file. */
export async function bench(): Promise<Row[]> {
  const oracle = await buildOracle()
  try {
    return [
      await parseSpeed(oracle),
      await growth("parse", largeCfg, parse),
      await growth("check", largeDomain, check),
      await hostile(oracle),
    ]
  } finally {
    await oracle.dispose()
  }
}

/** Milliseconds that libxlutil takes for a text: many of them in one process, less what the process itself takes. */
async function theirTime(oracle: Oracle, text: string, times: number): Promise<number> {
  const one = { kind: "v", text: Buffer.from(text) } as const
  const ask = (count: number) => timed(() => oracle.ask(Array(count).fill(one)))
  return (await measure(async () => (await ask(times + 1)) - (await ask(1)))) / times
}

/** The median of some rounds, after two that warm up. */
async function measure(round: () => Promise<number>): Promise<number> {
  await round()
  await round()
  const rounds: number[] = []
  for (let count = 0; count < ROUNDS; count++) rounds.push(await round())
  return median(rounds)
}

/** Ours runs compiled only after some rounds; Xen's library always is. */
function ourTime(work: () => unknown): Promise<number> {
  for (let count = 0; count < 10; count++) work()
  return measure(() => timed(async () => work()))
}

async function parseSpeed(oracle: Oracle): Promise<Row> {
  const text = largeCfg(MIB)
  const megabytes = Buffer.byteLength(text) / 1e6
  const ours = (megabytes * 1000) / (await ourTime(() => parse(text)))
  const theirs = (megabytes * 1000) / (await theirTime(oracle, text, 10))
  return {
    name: "xlcfg: parse a file of 1 MB, beside Xen's libxlutil",
    ours,
    theirs,
    unit: "MB/s",
    ratio: ours / theirs,
  }
}

async function growth(
  name: string,
  make: (size: number) => string,
  work: (text: string) => unknown,
): Promise<Row> {
  const [one, two] = [make(MIB), make(2 * MIB)]
  // In turn, and the fastest of each: what else the machine does must not look like growth.
  let [ours, theirs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (let round = 0; round < 15; round++) {
    theirs = Math.min(theirs, await timed(async () => work(one)))
    ours = Math.min(ours, await timed(async () => work(two)))
  }
  return {
    name: `xlcfg: ${name} a file of 2 MB, beside one of 1 MB`,
    ours,
    theirs,
    unit: "ms",
    ratio: ours / theirs,
    // Twice for linear, four times for quadratic.
    goal: { value: ours / theirs, most: 2.5 },
    note: "the fastest of 15 rounds",
  }
}

async function hostile(oracle: Oracle): Promise<Row> {
  const text = `a=${"[".repeat(MIB)}`
  const ours = await ourTime(() => {
    try {
      parse(text)
    } catch (error) {
      if (!(error instanceof XlcfgError)) throw error
    }
  })
  const theirs = await theirTime(oracle, text, 10)
  return {
    name: "xlcfg: refuse 1 MB of [, beside Xen's libxlutil",
    ours,
    theirs,
    unit: "ms",
    ratio: ours / theirs,
    goal: { value: ours, most: 1000, words: "ms" },
  }
}
