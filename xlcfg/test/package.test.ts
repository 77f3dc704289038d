import { execFile } from "node:child_process"
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import test from "ava"

const run = promisify(execFile)
const root = join(import.meta.dirname, "..")

test("the package that npm packs works where it is installed, without network and without other packages", async t => {
  const folder = await mkdtemp(join(tmpdir(), "xlcfg-package-"))
  t.teardown(() => rm(folder, { recursive: true }))

  // A copy of the workspace: packing rewrites the manifest for a moment, which the checkout should not see.
  const copy = join(folder, "workspace/xlcfg")
  await mkdir(dirname(copy))
  await cp(join(root, "../tsconfig.json"), join(folder, "workspace/tsconfig.json"))
  await symlink(join(root, "../node_modules"), join(folder, "workspace/node_modules"))
  await cp(root, copy, { recursive: true, filter: source => !/\/(node_modules|dist)$/.test(source) })
  const env = {
    ...process.env,
    PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    npm_config_offline: "true",
  }
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: copy, env })
  const [{ filename, files }] = JSON.parse(stdout.slice(stdout.indexOf("[\n")))
  const names: string[] = files.map((file: { path: string }) => file.path)
  t.deepEqual(
    names.filter(
      name => !/^(dist\/.*\.(js|d\.ts)|docs\/.*\.md|README\.md|bin\/xlcfg|package\.json)$/.test(name),
    ),
    [],
  )
  t.is(
    await readFile(join(copy, "package.json"), "utf8"),
    await readFile(join(root, "package.json"), "utf8"),
    "packing puts its own manifest back",
  )

  const user = join(folder, "user")
  await mkdir(user)
  await writeFile(join(user, "package.json"), '{"name": "user", "private": true, "type": "module"}')
  await run("npm", ["install", "--no-audit", "--no-fund", "--omit=peer", join(folder, filename)], {
    cwd: user,
    env,
  })

  const script =
    'import { generate, parse } from "xlcfg"\nconsole.log(parse(generate({ name: "a", memory: 64 })).get("memory"))\n'
  await writeFile(join(user, "use.js"), script)
  t.is((await run(process.execPath, ["use.js"], { cwd: user })).stdout, "64\n")

  const cli = join(user, "node_modules/.bin/xlcfg")
  await writeFile(join(user, "s.xl.in"), "name = '@NAME@'\n")
  await writeFile(join(user, "s.xl.hbs"), "name = '{{NAME}}'\n")
  t.is((await run(cli, ["render", "s.xl.in", "NAME=www"], { cwd: user, env })).stdout, "name = 'www'\n")
  const missing = await t.throwsAsync(run(cli, ["render", "s.xl.hbs", "NAME=www"], { cwd: user, env }))
  t.regex(String(missing), /needs the package handlebars: npm install handlebars/)

  await symlink(join(root, "../node_modules/handlebars"), join(user, "node_modules/handlebars"))
  t.is((await run(cli, ["render", "s.xl.hbs", "NAME=it's"], { cwd: user, env })).stdout, "name = 'it\\'s'\n")

  // The declarations: a program with a mistake in a domain does not compile.
  const typed =
    'import { generate, type Disk } from "xlcfg"\nconst disk: Disk = { vdev: "xvda", target: "/d" }\ngenerate({ name: "a", disk: [disk], memory: 1 })\n'
  await writeFile(join(user, "good.ts"), typed)
  await writeFile(join(user, "bad.ts"), typed.replace("memory: 1", 'memory: "1"'))
  const tsc = (file: string) =>
    run(
      process.execPath,
      [
        join(root, "../node_modules/typescript/bin/tsc"),
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--module",
        "nodenext",
        "--ignoreConfig",
        file,
      ],
      { cwd: user },
    )
  await t.notThrowsAsync(tsc("good.ts"))
  const wrong = (await t.throwsAsync(tsc("bad.ts"))) as Error & { stdout: string }
  t.regex(wrong.stdout, /bad\.ts\(3,\d+\): error TS2322: Type 'string' is not assignable to type 'number'/)
})
