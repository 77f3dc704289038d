/** One line of the benchmark: ours beside somebody else's, in the same run on the same machine. */
export interface Row {
  name: string
  /** Median of the rounds. */
  ours: number
  theirs: number
  unit: "ms" | "s" | "MB/s" | "MB"
  /** Ours as a multiple of theirs, so that less than 1 is better for times and more than 1 for speeds. */
  ratio: number
  goal?: Goal
  note?: string
}

/** A number to be reached, and what is held against it. */
export type Goal = {
  /** The ratio, what is ours, or what is more than something else. */
  readonly value: number
  /** Behind the number: what it counts. Default: nothing, as of a ratio. */
  readonly words?: string
} & ({ readonly most: number } | { readonly least: number })

/** "at most 1 s more" */
export function goalText(goal: Goal): string {
  const number = "most" in goal ? `at most ${goal.most}` : `at least ${goal.least}`
  return goal.words === undefined ? number : `${number} ${goal.words}`
}

/** By the numbers as they were measured, not as they are printed. */
export function verdict(goal: Goal): "met" | "missed" {
  const isMet = "most" in goal ? goal.value <= goal.most : goal.value >= goal.least
  return isMet ? "met" : "missed"
}

/** The middle of an odd number of measurements; the upper one of the two middle ones of an even number. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** Milliseconds that something takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}
