import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import test from "ava"
import { cached, digestTree, type Recipe } from "../../scripts/lab/cache.ts"
import { DiskFull } from "../../scripts/lab/errors.ts"
import { imagesDirectory } from "../../scripts/lab/paths.ts"

const scripts = join(import.meta.dirname, "../../scripts")

test.before(async () => {
  process.env.PULUMI_XEN_CACHE = await mkdtemp(join(tmpdir(), "lab-cache-"))
})

test.after.always(() => rm(process.env.PULUMI_XEN_CACHE!, { recursive: true }))

const recipe = (name: string, build: Recipe["build"], inputs: unknown = []): Recipe => ({
  name,
  inputs,
  room: 0,
  build,
})

test("what was built once is not built again, and other inputs make another directory", async t => {
  const built: unknown[] = []
  const make = (inputs: unknown) =>
    cached(
      recipe("once", async () => void built.push(inputs), inputs),
      () => {},
    )
  const [first, again, other] = [await make("a"), await make("a"), await make("b")]
  t.is(first, again)
  t.not(first, other)
  t.deepEqual(built, ["a", "b"])
})

test("of two that want the same thing at once one builds and the other waits for it", async t => {
  let builds = 0
  const make = () =>
    cached(
      recipe("twice", async work => {
        builds++
        await writeFile(join(work, "content"), "whole")
      }),
      () => {},
    )
  const [first, second] = await Promise.all([make(), make()])
  t.is(first, second)
  t.is(builds, 1)
})

test("a build that fails leaves nothing and can be repeated", async t => {
  const failing = recipe("fails", async work => {
    await writeFile(join(work, "half"), "")
    throw new Error("no")
  })
  await t.throwsAsync(
    cached(failing, () => {}),
    { message: "no" },
  )
  t.deepEqual(
    (await readdir(imagesDirectory())).filter(name => name.startsWith("fails")),
    [],
  )
  const directory = await cached(
    recipe("fails", work => writeFile(join(work, "whole"), "")),
    () => {},
  )
  t.deepEqual(await readdir(directory), ["whole"])
})

const killed: readonly { what: string; build: string }[] = [
  { what: "a build", build: `await new Promise(() => setInterval(() => {}, 1000))` },
  {
    what: "a build whose program still writes",
    build: `await run("write", ["sh", "-c", \`mkdir "$0/many"
      (for n in $(seq 20000); do echo >"$0/many/$n" || exit; done); wait\`, work])`,
  },
  {
    what: "a build that has mounted something",
    build: `await run("mount", alone(["sh", "-c", \`mkdir "$0/proc" && mount -t proc proc "$0/proc"
      sleep 1000\`, work]))`,
  },
]

for (const [index, { what, build }] of killed.entries())
  test(`what ${what} left when it was killed with kill -9 is never used and is swept away by the next`, async t => {
    const name = `killed${index}`
    const program = `
      import { writeFile } from "node:fs/promises"
      import { cached } from ${JSON.stringify(join(scripts, "lab/cache.ts"))}
      import { alone, run } from ${JSON.stringify(join(scripts, "lab/run.ts"))}
      await cached({ name: "${name}", inputs: [], room: 0, async build(work) {
        await writeFile(work + "/half", "")
        setTimeout(() => console.log("building"), 300)
        ${build}
      }}, () => {})
    `
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "inherit"],
    })
    await once(child.stdout, "data")
    child.kill("SIGKILL")
    await once(child, "exit")
    const building = async () =>
      (await readdir(imagesDirectory())).filter(
        found => found.startsWith(name) && found.endsWith(".building"),
      )
    t.is((await building()).length, 1)
    const directory = await cached(
      recipe(name, work => writeFile(join(work, "whole"), ""), ["newer"]),
      () => {},
    )
    t.deepEqual(await readdir(directory), ["whole"])
    t.deepEqual(await building(), [])
  })

test("a build that needs more room than there is says so before it begins", async t => {
  let began = false
  const build = async () => {
    began = true
  }
  const huge = { ...recipe("huge", build), room: 2 ** 60 }
  const error = await t.throwsAsync(
    cached(huge, () => {}),
    { instanceOf: DiskFull },
  )
  t.regex(
    error!.message,
    /^build the image huge: .* has \d+ MiB free, and \d+ MiB are needed\. Free some room/,
  )
  t.false(began)
})

test("a disk that fills up in the middle of a build is what the error names, and nothing half-made is left", async t => {
  const directory = await mkdtemp(join(tmpdir(), "lab-full-"))
  const program = `
    import { readdirSync } from "node:fs"
    import { cached } from ${JSON.stringify(join(scripts, "lab/cache.ts"))}
    import { run } from ${JSON.stringify(join(scripts, "lab/run.ts"))}
    const build = async work => void (await run("write", ["dd", "if=/dev/zero", "of=" + work + "/disk", "bs=1M"]))
    await cached({ name: "large", inputs: [], room: 2 ** 25, build }, () => {}).catch(({ message }) => console.log(message))
    console.log(readdirSync("${directory}/images").length, "left")
  `
  const script = `mount -t tmpfs -o size=64m none ${directory}; exec "$0" --input-type=module --eval "$1"`
  const { stdout } = await promisify(execFile)(
    "unshare",
    ["--user", "--map-root-user", "--mount", "sh", "-euc", script, process.execPath, program],
    { env: { ...process.env, PULUMI_XEN_CACHE: directory } },
  )
  t.regex(
    stdout,
    /^build the image large: \S+ has \d MiB free, and 32 MiB are needed\. Free some room, or set PULUMI_XEN_CACHE .*\n0 left\n$/,
  )
  await rm(directory, { recursive: true })
})

test("`lab up` on a disk of 64 MiB is one sentence and leaves no half-made image", async t => {
  const directory = await mkdtemp(join(tmpdir(), "lab-full-"))
  const script = `
    mount -t tmpfs -o size=64m none ${directory}
    status=0; ${process.execPath} ${join(scripts, "lab.ts")} up --name full || status=$?
    ls ${directory}/images
    exit $status
  `
  const env = { ...process.env, PULUMI_XEN_CACHE: directory }
  const run = promisify(execFile)("unshare", ["--user", "--map-root-user", "--mount", "sh", "-c", script], {
    env,
  })
  const failure = await t.throwsAsync<Error & { code: number; stderr: string; stdout: string }>(run)
  t.is(failure?.code, 1)
  t.regex(
    failure!.stderr,
    /^lab: build the image debian: \S+ has 6\d MiB free, and \d+ MiB are needed\. .*PULUMI_XEN_CACHE/,
  )
  t.is(failure!.stdout, "")
  await rm(directory, { recursive: true })
})

test("a tree's digest changes with a path, a byte and an executable bit, and with nothing else", async t => {
  const directory = await mkdtemp(join(tmpdir(), "lab-tree-"))
  await mkdir(join(directory, "a"))
  const digests = [await digestTree(directory)]
  for (const [path, content, mode] of [
    ["a/file", "1", 0o644],
    ["a/file", "2", 0o644],
    ["a/file", "2", 0o755],
    ["a/other", "2", 0o644],
  ] as const) {
    await rm(join(directory, path), { force: true })
    await writeFile(join(directory, path), content, { mode })
    digests.push(await digestTree(directory))
  }
  t.is(new Set(digests).size, digests.length)
  await rm(join(directory, "a/other"))
  await writeFile(join(directory, "a/other"), "2", { mode: 0o600 })
  t.is(await digestTree(directory), digests.at(-1)!)
  t.true(existsSync(directory) && (await readFile(join(directory, "a/other"), "utf8")) === "2")
  await rm(directory, { recursive: true })
})
