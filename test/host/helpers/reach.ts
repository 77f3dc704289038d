import { setTimeout as sleep } from "node:timers/promises"
import type { TestHost } from "./container.ts"

/** The host's present IPv4 address, once sshd answers there: by lease or by its setting. */
export async function whenItAnswers(host: TestHost, seconds = 60): Promise<string> {
  for (let tries = 0; tries < seconds * 4; tries++) {
    const { stdout } = await host.inside(["ip", "-4", "-o", "addr", "show", "scope", "global"])
    for (const [, address] of stdout.matchAll(/inet (192\.0\.2\.\d+)/g))
      if (address && (await host.answers(address))) return address
    await sleep(250)
  }
  const { stdout } = await host.inside([
    "sh",
    "-c",
    "ip addr; ip route; journalctl -b --no-pager | tail -n 40",
  ])
  throw new Error(`${host.id} does not answer within ${seconds} s:\n${stdout}`)
}
