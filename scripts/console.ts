import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { deployedDomains, find } from "./stack/deployed.ts"
import { runScript, UsageError } from "./stack/script.ts"
import { sshArguments } from "./stack/ssh.ts"

const usage = `Usage: npm run console -- NAME [--stack S]

A domain's console, to read and to type on, through ssh(1) and \`xl console\`. Ctrl-] leaves.`

await runScript(usage, async () => {
  const { positionals, values } = parseArgs({
    options: { stack: { type: "string" }, help: { type: "boolean", short: "h" } },
    allowPositionals: true,
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const [name, ...more] = positionals
  if (name === undefined || more.length > 0) throw new UsageError("Say which domain.")
  const { inputs } = find(await deployedDomains(values.stack), name)
  const { connection } = inputs
  const isRoot = (connection.sudo ?? (connection.user ?? "root") !== "root") === false
  const keys = await mkdtemp(join(tmpdir(), "console-"))
  try {
    const command = [...(isRoot ? [] : ["sudo"]), "xl", "console", inputs.name]
    const terminal = process.stdin.isTTY ? ["-t"] : []
    const args = [...terminal, ...(await sshArguments(connection, keys)), ...command]
    if (process.stdin.isTTY) console.error("Ctrl-] leaves.")
    const [code] = (await once(spawn("ssh", args, { stdio: "inherit" }), "exit")) as [number | null]
    return code ?? 255
  } finally {
    await rm(keys, { recursive: true })
  }
})
