import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { make, newFolder, removeFolder } from "../../unikernels/support/build.ts"
import { xenMachine } from "../lab.ts"
import { type Answer, configurations, conversations } from "./conversation.ts"

/**
 * Has conversations with the real `xl` of a machine in the lab, and writes down what it said. To be run again when Xen's
 * version or the steps change: `node test/helpers/simulatedXen/record.ts [NAME…]`.
 */
const folder = await newFolder()
await make("all", folder)
const kernel = gzipSync(await readFile(join(folder, "hello.xen"))).toString("base64")
await removeFolder(folder)
const files = Object.entries(configurations).map(
  ([name, text]) => `cat > /root/${name}.cfg <<'END'\n${text}END`,
)
const wanted = process.argv.slice(2)

for (const [name, steps] of Object.entries(conversations)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  await using machine = await xenMachine()
  await machine.run(`
base64 -d <<'END' | gunzip > /root/hello.xen
${kernel.replace(/.{76}/g, "$&\n")}
END
${files.join("\n")}
truncate -s 1M /root/disk.img`)
  const answers: Answer[] = []
  for (const step of steps) {
    const quoted = step.script.replaceAll("'", "'\\''")
    const said = await machine.run(
      `exit=0; timeout 300 sh -c '${quoted}' >/tmp/out 2>/tmp/err || exit=$?; echo $exit; base64 -w 0 /tmp/out; echo; base64 -w 0 /tmp/err; echo`,
    )
    const [exit, stdout, stderr] = said.split("\n")
    const decode = (text = "") => Buffer.from(text, "base64").toString()
    answers.push({ ...step, exit: Number(exit), stdout: decode(stdout), stderr: decode(stderr) })
    process.stderr.write(`${name}: ${step.does}: ${exit}\n`)
  }
  const fixture = join(import.meta.dirname, `../../fixtures/xl/${name}.json`)
  await writeFile(fixture, `${JSON.stringify(answers, null, 2)}\n`)
}
