import { setTimeout as sleep } from "node:timers/promises"
import { PulumiStack } from "../../test/helpers/pulumiStack.ts"
import { cpuOfChildren } from "./hosts/cpu.ts"
import { otherTools, run } from "./hosts/otherTools.ts"
import { LoopbackHosts } from "./hosts/servers.ts"
import { median, type Row, timed } from "./row.ts"

const count = 100
/** Each round of all tools costs two cores a minute. */
const rounds = 3
/**
 * Whose second and third time would tell no more, or who is slow. Their turn comes last: what ansible leaves open for a
 * minute would end, and be counted, in somebody else's.
 */
const onlyOnce: readonly string[] = ["emptyRefresh", "emptyUp", "ansible"]
/** What every Debian has: the check finds nothing to do. */
const wanted = "dpkg"

/** A check of a hundred hosts that finds nothing to do. That of one is in xenHost.ts, where there is a whole one. */
export async function bench(): Promise<Row[]> {
  await using loopback = await LoopbackHosts.start(count)
  return await manyHosts(loopback)
}

/** Facts and packages of all hosts, which are as wanted, beside other tools' same check. */
async function manyHosts(loopback: LoopbackHosts): Promise<Row[]> {
  const tools = await otherTools(loopback, wanted)
  const [stack, empty] = [await PulumiStack.create("packages"), await PulumiStack.create("packages")]
  try {
    // pyinfra asks all hosts at the same time by itself; Pulumi is told to.
    const quiet = ["--yes", "--skip-preview", "--parallel", String(count)]
    for (const [each, hosts] of [[empty, []] as const, [stack, loopback.hosts] as const]) {
      await each.configure({ hosts, packages: [wanted] })
      await each.succeed(["up", ...quiet])
    }
    const contestants = {
      refresh: () => stack.succeed(["refresh", ...quiet]),
      up: () => stack.succeed(["up", "--refresh", ...quiet]),
      emptyRefresh: () => empty.succeed(["refresh", ...quiet]),
      emptyUp: () => empty.succeed(["up", "--refresh", ...quiet]),
      pyinfra: () => run(tools.pyinfra),
      packages: () => run(tools.pyinfraPackages),
      ansible: () => run(tools.ansible),
    }
    const { seconds, cpu } = await inTurns(contestants, loopback)
    const row = (what: "refresh" | "up", other: keyof typeof contestants, words: string): Row => {
      const itself = cpu[what === "up" ? "emptyUp" : "emptyRefresh"]
      const figures = [cpu[what], cpu[other], itself].map(value => `${value.toFixed(1)} s`)
      return {
        name: `${count} hosts, pulumi ${what === "up" ? "up --refresh" : what}, beside ${words}`,
        ours: seconds[what],
        theirs: seconds[other],
        unit: "s",
        ratio: seconds[what] / seconds[other],
        note: `CPU ${figures[0]} and ${figures[1]}: ${(cpu[what] / cpu[other]).toFixed(2)}; pulumi without hosts ${figures[2]}`,
      }
    }
    const atMost = (most: number, measured: Row): Row => ({
      ...measured,
      goal: { value: measured.ratio, most },
    })
    return [
      atMost(0.25, row("refresh", "pyinfra", "pyinfra with the same facts")),
      atMost(0.25, row("up", "pyinfra", "pyinfra with the same facts")),
      row("refresh", "packages", "pyinfra with the packages alone"),
      row("refresh", "ansible", "ansible-core with its facts, five at a time"),
    ]
  } finally {
    await Promise.all([stack.remove(), empty.remove()])
  }
}

/**
 * Medians of the seconds, and of the seconds of CPU, clients and hosts together: where both are one machine, that is
 * what the time is made of. Everybody's turn comes in every round, but for some who have one, in the end.
 */
async function inTurns<Name extends string>(
  contestants: Readonly<Record<Name, () => Promise<unknown>>>,
  loopback: LoopbackHosts,
) {
  const cpuUntilNow = () => cpuOfChildren(process.pid) + loopback.cpu()
  const entries = Object.entries(contestants) as [Name, () => Promise<unknown>][]
  const seen = new Map(entries.map(([name]) => [name, { seconds: [] as number[], cpu: [] as number[] }]))
  const [last, first] = [true, false].map(once =>
    entries.filter(([name]) => onlyOnce.includes(name) === once),
  )
  for (const turn of [...Array.from({ length: rounds }, () => first!), last!])
    for (const [name, work] of turn) {
      const before = cpuUntilNow()
      seen.get(name)!.seconds.push((await timed(work)) / 1000)
      // The servers' processes end a moment after their clients.
      await sleep(1000)
      seen.get(name)!.cpu.push(cpuUntilNow() - before)
    }
  const medians = (of: "seconds" | "cpu") =>
    Object.fromEntries(entries.map(([name]) => [name, median(seen.get(name)![of])])) as Record<Name, number>
  return { seconds: medians("seconds"), cpu: medians("cpu") }
}
