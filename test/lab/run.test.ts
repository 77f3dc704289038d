import test from "ava"
import { ProgramFailed } from "../../scripts/lab/errors.ts"
import { run } from "../../scripts/lab/run.ts"

const input = "more than a pipe holds\n".repeat(100_000)

test("a program that ends without reading its input has done so by its exit code", async t => {
  t.is(await run("read nothing", ["echo", "done"], { input }), "done\n")
  await t.throwsAsync(run("read nothing", ["false"], { input }), { instanceOf: ProgramFailed })
})

test("a program gets the whole of its input", async t => {
  t.is(await run("count", ["wc", "-c"], { input }), `${input.length}\n`)
})

for (const [what, options] of [
  ["nothing to read", {}],
  ["an empty input", { input: "" }],
] as const) {
  test(`a program that is given ${what} comes to the end of its input`, async t => {
    t.is(await run("count", ["wc", "-c"], options), "0\n")
  })
}
