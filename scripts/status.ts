import { setTimeout as sleep } from "node:timers/promises"
import { deployedDomains } from "./stack/deployed.ts"
import { runScript } from "./stack/script.ts"
import { lookAtHosts } from "./status/look.ts"
import { render } from "./status/render.ts"

const usage = `Usage: npm run status [-- --json] [-- --watch] [--stack S]

Hosts, and what runs on them: each domain's generation, health and memory. --json for programs; --watch shows it anew
every two seconds until Ctrl-C. The exit code is 1 when a domain does not run or is not healthy.`

const line = {
  usage,
  options: { json: { type: "boolean" }, watch: { type: "boolean" } },
} as const

await runScript(line, async ({ values }, { connect, signal }) => {
  for (;;) {
    const hosts = await lookAtHosts(await deployedDomains(values.stack), connect, signal)
    const text = values.json ? JSON.stringify(hosts, null, 2) : render(hosts)
    // Home, and clear to the end: a screen that is drawn anew does not flicker.
    console.log(values.watch && process.stdout.isTTY ? `\x1b[H\x1b[J${text}` : text)
    const isWell = hosts.every(
      ({ problem, domains }) =>
        problem === undefined &&
        domains.every(({ state, health }) => state === "running" && health?.ok !== false),
    )
    if (!values.watch) return isWell ? 0 : 1
    await sleep(2000, undefined, { signal })
  }
})
