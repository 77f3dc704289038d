import { execFile } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { ConnectionPool } from "../../provider/ssh/index.ts"
import { type Sshd, startSshd } from "../../test/helpers/sshd.ts"
import { median, type Row, timed } from "./row.ts"

const execute = promisify(execFile)

const SIZE = 64 * 1024 * 1024
const UPLOAD_ROUNDS = 9
const EXEC_ROUNDS = 15
const EXECS = 10

/** OpenSSH's own tools and ours against one sshd on loopback, in turns. */
export async function bench(): Promise<Row[]> {
  const directory = await mkdtemp(join(tmpdir(), "bench-ssh-"))
  const sshd = await startSshd()
  try {
    return [
      ...(await uploads(sshd, directory)),
      ...(await unchanged(sshd, directory)),
      ...(await commands(sshd, directory)),
    ]
  } finally {
    await sshd.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

/** From nothing to the file on the host: connecting counts, for all three. */
async function uploads(sshd: Sshd, directory: string): Promise<Row[]> {
  const source = join(directory, "random")
  const target = join(directory, "sent")
  const times = { ours: [] as number[], scp: [] as number[], sftp: [] as number[] }
  const options = openssh(sshd)
  const batch = join(directory, "batch")
  await writeFile(batch, `put ${source} ${target}\n`)
  for (let round = 0; round < UPLOAD_ROUNDS; round++) {
    // New bytes and an empty place each time: nobody gains from what is there.
    const bytes = randomBytes(SIZE)
    await writeFile(source, bytes, { flush: true })
    // Who deploys a kernel has looked at it, and knows its digest before it is sent.
    const sha256 = createHash("sha256").update(bytes).digest("hex")
    const port = String(sshd.port)
    const to = `${sshd.user}@${sshd.host}`
    const rivals: readonly [keyof typeof times, () => Promise<unknown>][] = [
      [
        "ours",
        () => withPool(async pool => (await pool.get(sshd.target)).upload(source, target, { sha256 })),
      ],
      ["scp", () => execute("scp", ["-q", ...options, "-P", port, source, `${to}:${target}`])],
      ["sftp", () => execute("sftp", ["-q", ...options, "-P", port, "-b", batch, to])],
    ]
    for (let turn = 0; turn < rivals.length; turn++) {
      // Each goes first as often as the others.
      const [name, work] = rivals[(round + turn) % rivals.length]!
      await rm(target, { force: true })
      times[name].push(await timed(work))
    }
  }
  const speed = (milliseconds: readonly number[]): number => SIZE / 1e6 / (median(milliseconds) / 1000)
  const ours = speed(times.ours)
  const row = (name: "scp" | "sftp"): Row => {
    const theirs = speed(times[name])
    const note = "ours also compares SHA-256, known before, with the host's, and syncs to the disk"
    return {
      name: `upload 64 MiB: ours / ${name}`,
      ours,
      theirs,
      unit: "MB/s",
      ratio: ours / theirs,
      goal: { value: ours / theirs, least: 1 },
      note,
    }
  }
  return [row("scp"), row("sftp")]
}

async function unchanged(sshd: Sshd, directory: string): Promise<Row[]> {
  const source = join(directory, "random")
  const target = join(directory, "sent")
  let bytes = 0
  const ours = await withPool(async pool => {
    const host = await pool.get(sshd.target)
    await host.upload(source, target)
    return timed(async () => {
      bytes = (await host.upload(source, target)).bytes
    })
  })
  const theirs = await timed(() =>
    execute("scp", [
      "-q",
      ...openssh(sshd),
      "-P",
      String(sshd.port),
      source,
      `${sshd.user}@${sshd.host}:${target}`,
    ]),
  )
  return [
    {
      name: "upload unchanged 64 MiB: ours / scp",
      ours,
      theirs,
      unit: "ms",
      ratio: ours / theirs,
      goal: { value: bytes, most: 0, words: "bytes sent" },
      note: `${bytes} bytes sent`,
    },
  ]
}

async function commands(sshd: Sshd, directory: string): Promise<Row[]> {
  const control = join(directory, "control")
  const to = [...openssh(sshd), "-S", control, "-p", String(sshd.port), `${sshd.user}@${sshd.host}`]
  await execute("ssh", ["-M", "-f", "-N", ...to])
  try {
    const ours: number[] = []
    const theirs: number[] = []
    await withPool(async pool => {
      const host = await pool.get(sshd.target)
      const each = async (run: () => Promise<unknown>): Promise<number> =>
        (await timed(async () => {
          for (let count = 0; count < EXECS; count++) await run()
        })) / EXECS
      for (let round = 0; round < EXEC_ROUNDS; round++) {
        ours.push(await each(() => host.run(["true"])))
        theirs.push(await each(() => execute("ssh", [...to, "true"])))
      }
    })
    const times = { ours: median(ours), theirs: median(theirs) }
    return [
      {
        name: "exec of true: ours / ssh with ControlMaster",
        ...times,
        unit: "ms",
        ratio: times.ours / times.theirs,
        goal: { value: times.ours / times.theirs, most: 1 },
      },
    ]
  } finally {
    await execute("ssh", ["-O", "exit", ...to])
  }
}

/** The same trust and the same key as ours; nothing of the machine's own configuration. */
function openssh(sshd: Sshd): string[] {
  return ["-F", "none", "-i", sshd.keyPath, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"].concat([
    "-o",
    `UserKnownHostsFile=${join(sshd.directory, "known_hosts")}`,
    "-o",
    "StrictHostKeyChecking=accept-new",
  ])
}

async function withPool<T>(work: (pool: ConnectionPool) => Promise<T>): Promise<T> {
  const pool = new ConnectionPool()
  try {
    return await work(pool)
  } finally {
    await pool.close()
  }
}
