import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test from "ava"
import { filesOf } from "../../sdk/index.ts"

test("filesOf takes every file below a folder, named from there with slashes, as an asset", async t => {
  const folder = await mkdtemp(join(tmpdir(), "files-of-"))
  t.teardown(() => rm(folder, { recursive: true }))
  await mkdir(join(folder, "css/deep"), { recursive: true })
  await mkdir(join(folder, "empty"))
  await writeFile(join(folder, "index.html"), "")
  await writeFile(join(folder, "css/deep/main.css"), "")
  for (const given of [folder, `${folder}/`]) {
    const files = filesOf(given)
    t.deepEqual(Object.keys(files).sort(), ["css/deep/main.css", "index.html"])
    t.is(await files["css/deep/main.css"]!.path, join(folder, "css/deep/main.css"))
  }
})
