import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { make, newFolder, removeFolder } from "../../unikernels/support/build.ts"
import { xenMachine } from "../lab.ts"
import { type Answer, configurations, steps } from "./conversation.ts"

/**
 * Has the conversation with the real `xl` of a machine in the lab, and writes down what it said:
 * `node test/helpers/simulatedXen/record.ts`. To be run again when Xen's version or the steps change.
 */
const fixture = join(import.meta.dirname, "../../fixtures/xl/conversation.json")

const folder = await newFolder()
await make("all", folder)
await using machine = await xenMachine()
const kernel = gzipSync(await readFile(join(folder, "hello.xen"))).toString("base64")
const files = Object.entries(configurations).map(
  ([name, text]) => `cat > /root/${name}.cfg <<'END'\n${text}END`,
)
await machine.run(`
base64 -d <<'END' | gunzip > /root/hello.xen
${kernel.replace(/.{76}/g, "$&\n")}
END
${files.join("\n")}
cp /root/syntax.cfg /root/not-elf.cfg
truncate -s 1M /root/disk.img /root/other.img`)

const answers: Answer[] = []
for (const step of steps) {
  const quoted = step.script.replaceAll("'", "'\\''")
  const said = await machine.run(
    `exit=0; timeout 100 sh -c '${quoted}' >/tmp/out 2>/tmp/err || exit=$?; echo $exit; base64 -w 0 /tmp/out; echo; base64 -w 0 /tmp/err; echo`,
  )
  const [exit, stdout, stderr] = said.split("\n")
  const decode = (text = "") => Buffer.from(text, "base64").toString()
  answers.push({ ...step, exit: Number(exit), stdout: decode(stdout), stderr: decode(stderr) })
  process.stderr.write(`${step.does}: ${exit}\n`)
  await writeFile(fixture, `${JSON.stringify(answers, null, 2)}\n`)
}
await removeFolder(folder)
