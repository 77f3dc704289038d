/** One line of the benchmark: ours beside somebody else's, in the same run on the same machine. */
export interface Row {
  name: string
  /** Median of the rounds. */
  ours: number
  theirs: number
  unit: "ms" | "s" | "MB/s" | "MB"
  /** Ours as a multiple of theirs, so that less than 1 is better for times and more than 1 for speeds. */
  ratio: number
  goal?: string
  note?: string
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
