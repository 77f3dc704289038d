import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import test from "ava"
import fc from "fast-check"
import { Secret } from "../../provider/secret.ts"
import {
  AbortedError,
  CommandStartError,
  CommandTimeoutError,
  type Connection,
  ConnectionPool,
  OutputTooLargeError,
  RemoteCommandError,
} from "../../provider/ssh/index.ts"
import { type Sshd, startSshd } from "../helpers/sshd.ts"

let sshd: Sshd
let pool: ConnectionPool
let host: Connection
let directory: string

test.before(async () => {
  sshd = await startSshd()
  pool = new ConnectionPool()
  host = await pool.get(sshd.target)
  directory = mkdtempSync(join(tmpdir(), "run-"))
})

test.after.always(async () => {
  await pool?.close()
  await sshd?.stop()
  if (directory) rmSync(directory, { recursive: true, force: true })
})

test("a command's exit code, output and errors come back as they were", async t => {
  const result = await host.run(["sh", "-c", "echo out; echo err >&2; exit 3"], { expect: [0, 3] })
  t.deepEqual(result, { exit: 3, stdout: "out\n", stderr: "err\n" })
})

test("arguments arrive as they are, whatever they hold", async t => {
  const text = fc.string({ unit: "grapheme", maxLength: 30 }).filter(value => !value.includes("\0"))
  await fc.assert(
    fc.asyncProperty(fc.array(text, { maxLength: 8 }), async args => {
      const { stdout } = await host.run(["printf", "%s\\0", ...args, "end"])
      t.deepEqual(stdout.split("\0").slice(0, -1), [...args, "end"])
    }),
    { numRuns: 60, seed: 11 },
  )
})

test("an exit code that is no answer is an error with every field", async t => {
  const error = await t.throwsAsync(host.run(["sh", "-c", "echo said; echo why >&2; exit 4"]), {
    instanceOf: RemoteCommandError,
  })
  t.like(error, { host: host.name, exit: 4, signal: null, stdout: "said\n", stderr: "why\n" })
  t.is(
    error?.message,
    `On ${host.name}, \`sh -c 'echo said; echo why >&2; exit 4'\` ended with exit code 4: why`,
  )
})

test("a command that a signal ends is an error that names the signal", async t => {
  const error = await t.throwsAsync(host.run(["sh", "-c", "kill -9 $$"]), { instanceOf: RemoteCommandError })
  t.like(error, { exit: null, signal: "SIGKILL" })
})

test("a program that is not there is the shell's 127, and can be an answer", async t => {
  t.is((await host.run(["no-such-program"], { expect: [127] })).exit, 127)
  await t.throwsAsync(host.run(["no-such-program"]), { instanceOf: RemoteCommandError })
})

test("without standard input a command reads its end at once", async t => {
  t.is((await host.run(["cat"])).stdout, "")
})

for (const [kind, stdin] of [
  ["text", "grüße\n"],
  ["bytes", Buffer.from("grüße\n")],
  ["a secret", new Secret("grüße\n")],
] as const) {
  test(`standard input can be ${kind}`, async t => {
    t.is((await host.run(["cat"], { stdin })).stdout, "grüße\n")
  })
}

test("megabytes of standard input come back whole, also when the command reads slowly", async t => {
  const stdin = Buffer.alloc(12 * 1024 * 1024, "0123456789abcde\n")
  const { stdout } = await host.run(["sh", "-c", "sleep 0.3; cat"], { stdin })
  t.true(Buffer.from(stdout).equals(stdin))
})

test("a command that does not read its input ends all the same", async t => {
  t.is((await host.run(["true"], { stdin: Buffer.alloc(8 * 1024 * 1024) })).exit, 0)
})

test("LC_ALL is C, and the environment that is given arrives", async t => {
  const { stdout } = await host.run(["sh", "-c", 'echo "$LC_ALL,$NAME"'], { env: { NAME: "it's; $(id)" } })
  t.is(stdout, "C,it's; $(id)\n")
})

test("a name that is no environment variable's is refused", async t => {
  await t.throwsAsync(host.run(["true"], { env: { "a;b": "c" } }), { message: /"a;b" is no name/ })
})

test("the command runs in the directory that is given", async t => {
  t.is((await host.run(["pwd"], { cwd: directory })).stdout, `${directory}\n`)
})

test("a directory that is not there is an error, and the command does not run", async t => {
  const file = join(directory, "never")
  const error = await t.throwsAsync(host.run(["touch", file], { cwd: "/no/such/place", expect: [0, 1, 2] }), {
    instanceOf: CommandStartError,
  })
  t.true(error?.message.includes("/no/such/place"))
  t.throws(() => readFileSync(file), { code: "ENOENT" })
})

test("lines come while the command runs, a last one without its newline too", async t => {
  const lines: [string, string][] = []
  let first = 0
  await host.run(
    ["sh", "-c", "echo one; echo two >&2; sleep 0.5; printf 'thr\\303'; sleep 0.1; printf '\\266'"],
    {
      onLine: (line, stream) => {
        first ||= performance.now()
        lines.push([line, stream])
      },
    },
  )
  t.true(performance.now() - first > 300)
  t.deepEqual(lines.toSorted(), [
    ["one", "stdout"],
    ["thrö", "stdout"],
    ["two", "stderr"],
  ])
})

test("many commands at once share one connection and its limit of sessions", async t => {
  const results = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      host.run(["sh", "-c", "sleep 0.02; echo $1", "sh", String(index)]),
    ),
  )
  t.deepEqual(
    results.map(result => result.stdout),
    Array.from({ length: 40 }, (_, index) => `${index}\n`),
  )
})

test("a thousand short commands lose no exit code and no output", async t => {
  let done = 0
  await Promise.all(
    Array.from({ length: 8 }, async (_, lane) => {
      for (let count = 0; count < 125; count++) {
        const { stdout } = await host.run(["echo", `${lane} ${count}`])
        if (stdout === `${lane} ${count}\n`) done++
      }
    }),
  )
  t.is(done, 1000)
})

/** Whether a process with this word in its command line is there. */
async function runs(word: string): Promise<boolean> {
  const script = 'for p in /proc/[0-9]*; do tr "\\0" " " <"$p/cmdline" 2>/dev/null; echo; done'
  const { stdout } = await host.run(["sh", "-c", script])
  return stdout.split("\n").some(line => line.includes(word) && !line.includes("/cmdline"))
}

async function gone(word: string): Promise<boolean> {
  for (let tries = 0; tries < 50; tries++) {
    if (!(await runs(word))) return true
    await sleep(50)
  }
  return false
}

test("when its time is over a command is ended on the host, with all that it started", async t => {
  const script = "trap '' HUP; sleep 7771 & sleep 7771; echo never"
  const error = await t.throwsAsync(host.run(["sh", "-c", script], { timeout: 300 }), {
    instanceOf: CommandTimeoutError,
  })
  t.like(error, { timeout: 300, ended: true })
  t.regex(error?.message ?? "", /took longer than 0\.3 s; its processes were ended/)
  t.true(await gone("sleep 7771"))
})

test("what ignores SIGTERM is killed", async t => {
  const script = "trap '' TERM; while :; do sleep 7772; done"
  const error = await t.throwsAsync(host.run(["sh", "-c", script], { timeout: 200 }), {
    instanceOf: CommandTimeoutError,
  })
  t.true(error?.ended)
  t.true(await gone("sleep 7772"))
})

test("an aborted command is ended on the host", async t => {
  const controller = new AbortController()
  const running = host.run(["sleep", "7773"], { signal: controller.signal })
  setTimeout(() => controller.abort(), 300)
  const error = await t.throwsAsync(running, { instanceOf: AbortedError })
  t.true(error?.ended)
  t.true(await gone("sleep 7773"))
})

test("aborted before it began, a command never runs", async t => {
  const file = join(directory, "aborted")
  const error = await t.throwsAsync(host.run(["touch", file], { signal: AbortSignal.abort() }), {
    instanceOf: AbortedError,
  })
  t.true(error?.ended)
  t.throws(() => readFileSync(file), { code: "ENOENT" })
})

test("aborted while it waits for a session, a command never runs and takes no session", async t => {
  const own = await host.fresh()
  t.teardown(() => own.close())
  const busy = Array.from({ length: 8 }, () => own.run(["sleep", "1"]))
  const file = join(directory, "waiting")
  await t.throwsAsync(own.run(["touch", file], { signal: AbortSignal.timeout(100) }), {
    instanceOf: AbortedError,
  })
  await Promise.all(busy)
  t.throws(() => readFileSync(file), { code: "ENOENT" })
  t.is((await own.run(["echo", "still"])).stdout, "still\n")
})

test("a command that prints without end is ended, not kept", async t => {
  await t.throwsAsync(host.run(["cat", "/dev/zero"]), { instanceOf: OutputTooLargeError })
})

test("of what runs long only the last lines are kept", async t => {
  let lines = 0
  const { stdout } = await host.run(["seq", "1000000"], { keep: "tail", onLine: () => lines++ })
  t.is(lines, 1_000_000)
  t.true(stdout.endsWith("\n999999\n1000000\n"))
  t.true(stdout.length < 200_000)
})

test("arguments that Linux would not take are refused with what to do instead", async t => {
  const error = await t.throwsAsync(host.run(["true", "x".repeat(131_072)]), {
    instanceOf: CommandStartError,
  })
  t.regex(error?.message ?? "", /at most 131071 can be given\. Give data on standard input/)
  t.is(
    (await host.run(["sh", "-c", 'printf %s "$1" | wc -c', "sh", "x".repeat(130_000)])).stdout.trim(),
    "130000",
  )
})

test("what a login shell's start-up files print is no output of the command", async t => {
  const noisy = await startSshd()
  const own = new ConnectionPool()
  t.teardown(async () => {
    await own.close()
    await noisy.stop()
  })
  writeFileSync(join(noisy.directory, ".bashrc"), "echo welcome; printf 'no newline'\n")
  const connection = await own.get(noisy.target)
  t.is((await connection.run(["echo", "answer"])).stdout, "answer\n")
})

test("a login shell that refuses is an error with its words, whatever codes are answers", async t => {
  const closed = await startSshd({ config: ["ForceCommand echo 'This account is closed.'; exit 1"] })
  const own = new ConnectionPool()
  t.teardown(async () => {
    await own.close()
    await closed.stop()
  })
  const connection = await own.get(closed.target)
  const error = await t.throwsAsync(connection.run(["true"], { expect: [0, 1] }), {
    instanceOf: CommandStartError,
  })
  t.regex(error?.message ?? "", /This account is closed\./)
})

for (const sessions of [1, 2]) {
  test(`a server that allows ${sessions} session${sessions > 1 ? "s" : ""} at once is given no more`, async t => {
    const small = await startSshd({ config: [`MaxSessions ${sessions}`] })
    const own = new ConnectionPool()
    t.teardown(async () => {
      await own.close()
      await small.stop()
    })
    const connection = await own.get(small.target)
    const answers = await Promise.all(
      [1, 2, 3, 4, 5].map(n => connection.run(["sh", "-c", "sleep 0.1; echo $1", "sh", `${n}`])),
    )
    t.deepEqual(
      answers.map(({ stdout }) => stdout),
      ["1\n", "2\n", "3\n", "4\n", "5\n"],
    )
  })
}
