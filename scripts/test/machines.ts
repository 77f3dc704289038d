/**
 * The test files that boot machines, with the minutes that each takes where machines are emulated. Two at a time have one
 * (`machineTurn`, test/helpers/lab.ts). These are run with all others.
 */
export const first: Readonly<Record<string, number>> = {
  "domains/swap": 6,
  "lab/up": 3,
  "domains/scripts": 3,
  "lab/xen": 1,
}

/** Those that follow when all others are done, in this order. */
export const later: Readonly<Record<string, number>> = {
  "domains/killed": 6,
  "domains/unhealthy": 5,
  "domains/drift": 5,
  "domains/volume": 2,
  "unikernels/helloOnXen": 5,
  "lab/rpm": 2,
  "xenHost/debian": 12,
  "xenHost/rpm": 9,
  "xenHost/sabotage/network": 7,
  "xenHost/sabotage/packages": 5,
  "xenHost/dom0": 6,
  "xenHost/sabotage/boot": 18,
}

/** Long, and without an emulated machine: begun at once, since most of it waits. */
export const early: readonly string[] = ["xenHost/native"]

/** Minutes until the later ones begin, on two cores. */
export const minutesOfFirst = 30
