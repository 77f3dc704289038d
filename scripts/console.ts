import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { deployedDomains, find } from "./stack/deployed.ts"
import { runScript } from "./stack/script.ts"
import { sshArguments } from "./stack/ssh.ts"

const usage = `Usage: npm run console -- NAME [--stack S]

A domain's console, to read and to type on, through ssh(1) and \`xl console\`. Ctrl-] leaves.`

const line = {
  usage,
  names: "a domain",
  options: {},
} as const

await runScript(line, async ({ positionals: [name], values }) => {
  const { inputs } = find(await deployedDomains(values.stack), name!)
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
