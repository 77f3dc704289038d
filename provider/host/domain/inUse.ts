import type { Connection } from "../../ssh/index.ts"
import { type Refusal, refusal } from "../refusal.ts"
import { macsOf } from "./devices.ts"
import type { DomainPlan } from "./plan.ts"
import type { DomainWanted } from "./wanted.ts"

/**
 * Prints "ADDRESS MAC" for those of its arguments at which somebody answers on a network of this host. A unikernel need not
 * answer a ping, but it must answer the question for its MAC address, which any packet to it makes the kernel ask.
 */
const ASK = `
for one do
  route=$(ip -o route get "$one" 2>/dev/null) || continue
  case $route in *' via '* | *' lo '* | local*) continue ;; esac
  device=\${route##* dev }
  device=\${device%% *}
  ip neigh del "$one" dev "$device" 2>/dev/null
  if command -v ping >/dev/null 2>&1; then ping -c 1 -W 1 -n "$one" >/dev/null 2>&1
  else bash -c 'echo >"/dev/udp/$0/9"' "$one" 2>/dev/null; sleep 1; fi
  mac=$(ip neigh show to "$one" dev "$device" | sed -n 's/.* lladdr \\([0-9a-f:]*\\).*/\\1/p')
  [ -n "$mac" ] && echo "$one $mac"
done; :`

/** Addresses that somebody else has already: asked when none of ours serves at them. */
export async function refuseAnswering(
  host: Connection,
  plan: DomainPlan,
  { name, addresses }: DomainWanted,
  signal: AbortSignal,
): Promise<Refusal[]> {
  const starts = plan.steps.some(step => step.do === "start")
  if (!starts || plan.old !== undefined || addresses.length === 0) return []
  const bare = addresses.map(address => address.replace(/\/.*$/, ""))
  const { stdout } = await host.run(["sh", "-c", ASK, "sh", ...bare], { timeout: 120_000, signal })
  const own = macsOf(plan.target.config)
  return stdout.split("\n").flatMap(line => {
    const [address, mac] = line.split(" ")
    if (address === undefined || mac === undefined || own.includes(mac)) return []
    const problem = `${name} is to have ${address}, at which somebody answers already (${mac}).`
    return [refusal("address-in-use", problem, "Choose a free address, or take it away there first.")]
  })
}
