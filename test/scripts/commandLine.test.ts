import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import test from "ava"

interface Answer {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

const run = (script: string, ...args: string[]) =>
  new Promise<Answer>(resolve => {
    const path = fileURLToPath(new URL(`../../scripts/${script}.ts`, import.meta.url))
    execFile(process.execPath, [path, ...args], (error, stdout, stderr) =>
      resolve({ exit: Number(error?.code ?? 0), stdout, stderr }),
    )
  })

const mistakes: [script: string, args: string[], said: string][] = [
  ["logs", [], "Name a domain."],
  ["console", [], "Name a domain."],
  ["rollback", [], "Name a unikernel."],
  ["runbook", [], "Name a host."],
  ["runbook", ["bytemark", "lab"], 'There is no use for "lab".'],
  ["runbook", ["bytemark", "--bear"], "Unknown option '--bear'."],
  ["status", ["www"], 'There is no use for "www".'],
  ["logs", ["www", "mail"], 'There is no use for "mail".'],
  ["rollback", ["www", "0123456789ab", "now"], 'There is no use for "now".'],
  ["logs", ["www", "--fellow"], "Unknown option '--fellow'."],
  ["status", ["--stack"], "Option '--stack <value>' argument missing"],
]

for (const [script, args, said] of mistakes) {
  test(`npm run ${[script, "--", ...args].join(" ")}: what is wrong, how it is used, and exit code 2`, async t => {
    const { exit, stdout, stderr } = await run(script, ...args)
    t.deepEqual([exit, stdout], [2, ""])
    t.true(stderr.startsWith(said), stderr)
    t.true(stderr.includes(`\n\nUsage: npm run ${script} `), stderr)
  })
}

for (const script of ["status", "logs", "console", "rollback", "runbook"]) {
  test(`npm run ${script} -- --help tells how it is used, without a stack`, async t => {
    const { exit, stdout, stderr } = await run(script, "--help")
    t.deepEqual([exit, stderr], [0, ""])
    t.true(stdout.startsWith(`Usage: npm run ${script} `))
  })
}
