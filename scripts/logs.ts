import { readFileSync } from "node:fs"
import { deployedDomains, find } from "./stack/deployed.ts"
import { runScript } from "./stack/script.ts"

const usage = `Usage: npm run logs -- NAME [-f] [--stack S]

Prints what a domain wrote to its console, from the first byte and across its generations, the one that wrote last at
the end. With -f it goes on, and over to the next generation, until Ctrl-C.`

const SCRIPT = readFileSync(new URL("logs.sh", import.meta.url), "utf8")

const line = {
  usage,
  names: "a domain",
  options: { follow: { type: "boolean", short: "f" } },
} as const

await runScript(line, async ({ positionals: [name], values }, { connect, signal }) => {
  const { inputs } = find(await deployedDomains(values.stack), name!)
  const host = await connect(inputs.connection)
  await host.run(["sh", "-s", "--", inputs.name, values.follow ? "follow" : "once"], {
    stdin: SCRIPT,
    signal,
    keep: "tail",
    onLine: line => console.log(line),
  })
  return 0
})
