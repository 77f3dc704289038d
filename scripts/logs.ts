import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { deployedDomains, find } from "./stack/deployed.ts"
import { runScript, UsageError } from "./stack/script.ts"

const usage = `Usage: npm run logs -- NAME [-f] [--stack S]

Prints what a domain wrote to its console, from the first byte and across its generations, the one that wrote last at
the end. With -f it goes on, and over to the next generation, until Ctrl-C.`

const SCRIPT = readFileSync(new URL("logs.sh", import.meta.url), "utf8")

await runScript(usage, async ({ connect, signal }) => {
  const { positionals, values } = parseArgs({
    options: {
      follow: { type: "boolean", short: "f", default: false },
      stack: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
    allowPositionals: true,
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const [name, ...more] = positionals
  if (name === undefined || more.length > 0) throw new UsageError("Say which domain.")
  const { inputs } = find(await deployedDomains(values.stack), name)
  const host = await connect(inputs.connection)
  await host.run(["sh", "-s", "--", inputs.name, values.follow ? "follow" : "once"], {
    stdin: SCRIPT,
    signal,
    keep: "tail",
    onLine: line => console.log(line),
  })
  return 0
})
