import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import test from "ava"

const progress = JSON.stringify(join(import.meta.dirname, "../../scripts/lab/progress.ts"))

/** Two steps, one within the other, and one that fails. Each lasts until the spinner has turned twice. */
const program = `
  import { step } from ${progress}
  let written = 0
  const write = process.stderr.write.bind(process.stderr)
  process.stderr.write = text => (written++, write(text))
  const twoTurns = async () => {
    const end = written + 2
    while (process.stderr.isTTY && written < end) await new Promise(done => setTimeout(done, 20))
  }
  const said = await step("Outer step", async report => {
    report("first detail")
    await twoTurns()
    await step("Inner step", twoTurns)
    return "result"
  })
  console.log(said)
  await step("Failing step", async () => { throw new Error("no") }).catch(error => console.log(error.message))
`
const command = [process.execPath, "--input-type=module", "--eval", program] as const
const run = promisify(execFile)

/** What the program prints on a terminal of its own: script(1) makes one. */
async function onTerminal(): Promise<string> {
  const quoted = command.map(word => `'${word.replaceAll("'", `'\\''`)}'`).join(" ")
  return (await run("script", ["--quiet", "--return", "--command", quoted, "/dev/null"])).stdout
}

test("where there is no terminal a step prints nothing, and hands on what came out", async t => {
  const [program, ...args] = command
  t.deepEqual(await run(program, args), { stdout: "result\nno\n", stderr: "" })
})

test("on a terminal a running step shows a spinner, its detail and its time; a finished one its mark", async t => {
  const said = await onTerminal()
  t.regex(said, /⠋ Outer step: first detail \d+ s/)
  t.regex(said, /⠙ Outer step: first detail \d+ s/, "the spinner turns")
  t.regex(said, /[⠋-⠿] Inner step \d+ s/)
  t.regex(said, /✔ Inner step \d+ s\s[\s\S]*✔ Outer step \d+ s\s[\s\S]*result/)
  t.regex(said, /✖ Failing step \d+ s\s[\s\S]*no/)
})

test("of steps within steps one draws at a time, on one line", async t => {
  const said = await onTerminal()
  const inner = said.slice(said.indexOf("Inner step"), said.indexOf("✔ Inner step"))
  t.false(inner.includes("Outer step"), inner)
})
