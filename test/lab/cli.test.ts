import { execFile } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test from "ava"
import { labHost, labHosts } from "../../hosts/lab.ts"
import { missingPackages, requirePrograms } from "../../scripts/lab/programs.ts"

test.before(async () => {
  process.env.PULUMI_XEN_CACHE = await mkdtemp(join(tmpdir(), "lab-cli-"))
})

test.after.always(() => rm(process.env.PULUMI_XEN_CACHE!, { recursive: true }))

type Ended = { code: number; stdout: string; stderr: string }

const lab = (...args: string[]) =>
  new Promise<Ended>(resolve => {
    const program = join(import.meta.dirname, "../../scripts/lab.ts")
    execFile(process.execPath, [program, ...args], (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    )
  })

for (const [args, sentence] of [
  [
    ["up", "--name", "../x"],
    'understand --name: it was "../x". A name is made of 1 to 32 small letters, digits and hyphens',
  ],
  [["up", "--name", ""], 'understand --name: it was "". A name is made of'],
  [
    ["up", "--flavour", "toString"],
    'understand --flavour: it was "toString". The flavours are debian and rpm',
  ],
  [["up", "--memory", "4G"], 'understand --memory: it was "4G". It is a whole number above zero'],
  [["up", "--cpus", "0"], 'understand --cpus: it was "0". It is a whole number above zero'],
  [
    ["up", "--forward", "80:192.0.2.1:80"],
    'understand --forward: it was "80:192.0.2.1:80". It is PORT:ADDRESS:PORT',
  ],
  [["up", "--forward", "70000:10.0.2.20:80"], 'understand --forward: it was "70000:10.0.2.20:80". It is'],
  [["up", "--colour", "red"], "Unknown option '--colour'"],
  [
    ["down", "--name", "none"],
    "find the lab none: there is none of that name. Run: npm run lab -- up --name none",
  ],
  [["ssh", "--name", "none"], "find the lab none: there is none of that name. Run:"],
  [["console", "--name", "none"], "find the lab none: there is none of that name. Run:"],
  [["reset", "--name", "none"], "find the lab none: there is none of that name. Run:"],
] as [string[], string][]) {
  test.serial(`lab ${args.join(" ")} ends with a sentence`, async t => {
    const { code, stdout, stderr } = await lab(...args)
    t.true(stderr.startsWith(`lab: ${sentence}`), stderr)
    t.is(stderr.trim().split("\n").length, 1)
    t.is(stdout, "")
    t.is(code, 1)
  })
}

test.serial("an unknown command shows what there is", async t => {
  const { code, stdout } = await lab("constructor")
  t.is(code, 2)
  t.regex(stdout, /npm run lab -- up/)
})

test.serial("without labs the status is empty and the inventory too", async t => {
  t.deepEqual(await lab("status", "--json"), { code: 0, stdout: "[]\n", stderr: "" })
  t.deepEqual(labHosts(), {})
  t.throws(() => labHost("www"), {
    message: /no lab named www: start it with `npm run lab -- up --name www`/,
  })
})

test("programs that are missing are named with the command that installs their packages", async t => {
  t.deepEqual(
    await missingPackages({ sh: "dash", "no-such-program": "b-package", "/no/such/file": "a-package" }),
    ["a-package", "b-package"],
  )
  await t.throwsAsync(requirePrograms({ "no-such-program": "b-package" }), {
    message: "run the lab: programs of b-package are missing. Run: apt-get install b-package",
  })
  await t.notThrowsAsync(requirePrograms({ sh: "dash" }))
})
