import { NativeMachine } from "../../test/helpers/nativeMachine/machine.ts"
import { PulumiStack } from "../../test/helpers/pulumiStack.ts"
import { median, type Row } from "./row.ts"
import { noOpCheck } from "./xenHost/check.ts"
import { type Times, watchUp } from "./xenHost/watch.ts"

const rounds = 3

/** What the time goes into that is not ours, by the status lines of `pulumi up`: each lasts until whatever comes next. */
const OTHERS = {
  packages: /^Install |^fetching the lists/,
  boots: /^waiting for the machine to restart/,
}

/**
 * A bare machine becomes a Xen host: what of the time is ours, beside packages and boots; and what it costs to find that it
 * still is one. The machine is the lab's, with this machine's own processor, since what an emulated one takes for our part
 * says nothing of a real one.
 */
export async function bench(): Promise<Row[]> {
  const seen: Times[] = []
  let check: Row | undefined
  for (let round = 0; round < rounds; round++) {
    await using machine = await NativeMachine.start()
    const stack = await PulumiStack.create("xenHost")
    try {
      await stack.configure({ hosts: { www1: { ...machine.host, memory: 1024 } } })
      seen.push(await watchUp(stack, OTHERS))
      check ??= await noOpCheck(machine, stack)
    } finally {
      await stack.remove()
    }
  }
  return [conversion(seen), check!]
}

/** From the start of `pulumi up`, preview included, to its end: the round in the middle. */
function conversion(seen: readonly Times[]): Row {
  const oursOf = ({ total, theirs }: Times) => total - sum(theirs)
  const middle = median(seen.map(oursOf))
  const times = seen.find(one => oursOf(one) === middle)!
  const [ours, theirs] = [middle, sum(times.theirs)]
  const longest = [...times.ours].sort(([, one], [, other]) => other - one).slice(0, 8)
  return {
    name: "bare machine to Xen proven, pulumi up from its start to its end: what is ours, beside packages and boots",
    ours,
    theirs,
    unit: "s",
    ratio: ours / theirs,
    goal: { value: ours, most: 10, words: "s" },
    note: `${tell([...times.theirs])}; ours most: ${tell(longest)}`,
  }
}

const sum = (times: ReadonlyMap<string, number>): number =>
  [...times.values()].reduce((seconds, more) => seconds + more, 0)

const tell = (times: readonly (readonly [what: string, seconds: number])[]): string =>
  times.map(([what, seconds]) => `${what} ${seconds.toFixed(1)} s`).join(", ")
