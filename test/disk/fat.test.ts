import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import test from "ava"
import fc from "fast-check"
import { fatImage, ImageTooSmallError } from "../../provider/disk/fat/image.ts"
import { type ImageFile, ImagePathError } from "../../provider/disk/fat/tree.ts"

const run = promisify(execFile)
const MiB = 1024 * 1024
const environment = {
  ...process.env,
  LC_ALL: "C.UTF-8",
  MTOOLS_SKIP_CHECK: "1",
  PATH: `${process.env.PATH}:/usr/sbin`,
}
const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")
const files = (entries: Record<string, string | Uint8Array>): ImageFile[] =>
  Object.entries(entries).map(([path, content]) => ({ path, content: Buffer.from(content) }))

/** What fsck.fat finds (nothing: it exits with 0), and what mtools reads back. */
async function readBack(image: Buffer): Promise<{ fsck: string; files: Record<string, string> }> {
  const folder = await mkdtemp(join(tmpdir(), "fat-"))
  try {
    const path = join(folder, "image")
    await writeFile(path, image)
    const { stdout } = await run("fsck.fat", ["-n", "-v", path], { env: environment })
    const out = join(folder, "out")
    await mkdir(out)
    // An empty root has nothing that a pattern matches.
    await run("mcopy", ["-s", "-n", "-i", path, "::/", out], { env: environment }).catch(() => {})
    const found = await readdir(out, { recursive: true, withFileTypes: true })
    const contents = found
      .filter(entry => entry.isFile())
      .map(async entry => {
        const at = join(entry.parentPath, entry.name)
        return [at.slice(out.length + 1), digest(await readFile(at))]
      })
    return { fsck: stdout, files: Object.fromEntries(await Promise.all(contents)) }
  } finally {
    await rm(folder, { recursive: true })
  }
}

const expected = (given: readonly ImageFile[]): Record<string, string> =>
  Object.fromEntries(given.map(({ path, content }) => [path, digest(content)]))

const certificate = files({
  "tls/server.pem": "certificate",
  "tls/server.key": "key",
  "index.html": "<p>hello",
})
const sizes: [size: number | undefined, type: string][] = [
  [undefined, "16 bit entries"],
  [1 * MiB, "12 bit entries"],
  [3 * MiB, "12 bit entries"],
  [4 * MiB, "16 bit entries"],
  [33 * MiB, "16 bit entries"],
  [511 * MiB, "16 bit entries"],
  [512 * MiB, "32 bit entries"],
]
for (const [size, type] of sizes) {
  test(`an image of ${size === undefined ? "its own size" : `${size / MiB} MiB`} has a table of ${type}, is clean for fsck.fat, and mtools reads its files`, async t => {
    const image = fatImage(certificate, size)
    t.is(image.length, size ?? 4 * MiB)
    const found = await readBack(image)
    t.true(found.fsck.includes(type), found.fsck)
    t.deepEqual(found.files, expected(certificate))
  })
}

test("the same files are the same bytes, in whatever order they are given; other content is others", t => {
  const image = fatImage(certificate)
  t.true(image.equals(fatImage([...certificate].reverse())))
  t.false(image.equals(fatImage(files({ "index.html": "<p>hello" }))))
})

test("an image grows with its files, by whole MiB", async t => {
  const large = files({ "a.bin": Buffer.alloc(7 * MiB, "a"), "b.bin": Buffer.alloc(5 * MiB, "b") })
  const image = fatImage(large)
  t.is(image.length % MiB, 0)
  t.true(image.length <= 14 * MiB)
  t.deepEqual((await readBack(image)).files, expected(large))
})

test("a thousand files lie in the root, and as many in a folder", async t => {
  const many = Array.from({ length: 1000 }, (_, at) =>
    ["", "folder/"].map(folder => [`${folder}a long name ${at}.txt`, `${at}`]),
  ).flat()
  const given = files(Object.fromEntries(many))
  t.deepEqual((await readBack(fatImage(given))).files, expected(given))
})

test("an empty image is a file system, too", async t => {
  t.deepEqual((await readBack(fatImage([]))).files, {})
})

const wrong: [path: string, says: RegExp][] = [
  ["", /names with a slash between them/],
  ["a//b", /names with a slash between them/],
  ["../key", /names with a slash between them/],
  ["a\nb", /control character/],
  ["a:b", /control character and none of/],
  ["a.", /neither ends in a dot/],
  ["a ", /neither ends in a dot/],
  ["x".repeat(256), /at most 255/],
  ["INDEX.html", /"index\.html" already/],
  ["index.html/a", /"index\.html" is a file and no folder/],
]
for (const [path, says] of wrong) {
  test(`a file named ${JSON.stringify(path).slice(0, 30)} is refused with the reason`, t => {
    const error = t.throws(() => fatImage([...certificate, ...files({ [path]: "x" })]), {
      instanceOf: ImagePathError,
    })
    t.regex(error.message, says)
  })
}

test("files that do not fit into the size that is asked for are refused, and what they need is said", t => {
  const large = files({ "a.bin": Buffer.alloc(2 * MiB) })
  const error = t.throws(() => fatImage(large, MiB), { instanceOf: ImageTooSmallError })
  t.is(error.needed, 4)
  t.regex(error.message, /^an image of 1 MiB is too small for its files: it needs 4 MiB$/)
})

// Names that Windows keeps for devices are ordinary to FAT, but mtools renames them on the way out.
const part = fc
  .stringMatching(/^[A-Za-z0-9äßЖ漢_~!][A-Za-z0-9 .äßЖ漢_~!+=,;[\]-]{0,30}$/u)
  .filter(name => !/[. ]$/.test(name) && !/^(con|prn|aux|nul|com\d|lpt\d|clock\$)(\.|$)/i.test(name))
const path = fc.array(part, { minLength: 1, maxLength: 4 }).map(parts => parts.join("/"))
const tree = fc.dictionary(path, fc.uint8Array({ maxLength: 5000 }), { maxKeys: 40, noNullPrototype: true })
const size = fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined })

test("whatever tree of files is given: fsck.fat finds nothing wrong, and mtools reads the same back", async t => {
  let tried = 0
  await fc.assert(
    fc.asyncProperty(tree, size, async (entries, mebibytes) => {
      const given = files(entries)
      let image: Buffer
      try {
        image = fatImage(given, mebibytes === undefined ? undefined : mebibytes * MiB)
      } catch (error) {
        if (error instanceof ImagePathError || error instanceof ImageTooSmallError) return
        throw error
      }
      tried++
      t.deepEqual((await readBack(image)).files, expected(given))
    }),
    { numRuns: 150 },
  )
  t.true(tried > 75)
})
