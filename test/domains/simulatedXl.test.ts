import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import test from "ava"
import { pvhKernel } from "../helpers/kernels.ts"
import { type Answer, configurations, conversations } from "../helpers/simulatedXen/conversation.ts"
import { SimulatedHost } from "../helpers/simulatedXen/host.ts"

/** What the `xl` of a real host said to the same steps: test/helpers/simulatedXen/record.ts writes it down. */
const recorded = (name: string): readonly Answer[] =>
  JSON.parse(readFileSync(join(import.meta.dirname, `../fixtures/xl/${name}.json`), "utf8"))

/**
 * Without what is the machine's or the moment's own: processor time, process ids, whether a guest just now computes,
 * MAC addresses by chance, and at which word of a line a syntax error was noticed.
 */
function stable(text: string): string {
  return text
    .replaceAll(/^(\S+ +\d+ +\d+ +\d+ {5})[r-][b-]([p-][s-][c-]-) +\d+\.\d/gm, "$1..$2")
    .replaceAll(/\[(pid )?\d+\]/g, "[]")
    .replaceAll(/ near `.*/g, " near")
    .replaceAll(/00:16:3e:(?!00:00)[0-9a-f:]{8}/g, "00:16:3e:…")
}

/** Names of `xl info`'s lines: what stands there is the machine's own. */
const names = (text: string) => text.replaceAll(/^(\w+ *): .*$/gm, "$1")

for (const [name, steps] of Object.entries(conversations)) {
  test(`${name}: the simulated xl answers as the real one, step by step`, async t => {
    t.timeout(300_000)
    const real = recorded(name)
    const asked = real.map(({ does, script }) => ({ does, script }))
    t.deepEqual(asked, [...steps], "the recording has the same steps")
    await using host = await SimulatedHost.start()
    const root = host.file("/root")
    for (const [file, text] of Object.entries(configurations)) writeFileSync(join(root, `${file}.cfg`), text)
    writeFileSync(join(root, "hello.xen"), pvhKernel())
    writeFileSync(join(root, "disk.img"), Buffer.alloc(2 ** 20))
    for (const { does, script, exit, stdout, stderr } of real) {
      const form = (text: string) => stable(script === "xl info" ? names(text) : text)
      const said = await host.attempt(`set +eu\n${script}`)
      t.deepEqual(
        { exit: said.exit, stdout: form(said.stdout), stderr: form(said.stderr) },
        { exit, stdout: form(stdout), stderr: form(stderr) },
        does,
      )
    }
  })
}
