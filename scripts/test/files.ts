/** Test files with the minutes that each takes, on two cores that emulate machines. */
export type Minutes = Readonly<Record<string, number>>

/** Those that boot machines of the lab, two of which have one at a time (`machineTurn`), and are run with all that is short. */
export const first: Minutes = {
  "domains/swap": 8,
  "lab/up": 3,
  "domains/scripts": 3,
  "lab/xen": 1,
}

/** Long, and without an emulated machine: begun at once, since most of it waits, at first for the lab's images to be built. */
export const early: readonly string[] = ["xenHost/native", "xenHost/nativeStrikes"]

/** Minutes until all of these are done and the later ones begin. */
export const minutesOfFirst = 20

/**
 * The machines that follow, two at a time. First what shows that the host comes back, the longest first, so that two places come
 * to one end; then the rest, which a limit leaves out.
 */
export const laterMachines: Minutes = {
  "xenHost/sabotage/boot": 18,
  "xenHost/sabotage/power": 16,
  "xenHost/debian": 14,
  "xenHost/rpm": 14,
  "xenHost/sabotage/network": 7,
  "xenHost/sabotage/packages": 5,
  "domains/killed": 6,
  "domains/unhealthy": 5,
  "domains/drift": 5,
  "xenHost/dom0": 6,
  "unikernels/helloOnXen": 5,
  "xenHost/networkd": 3,
  "domains/volume": 2,
  "lab/rpm": 2,
}

/** The long ones without a machine, one at a time beside those; what shows most comes first. */
export const laterOthers: Minutes = {
  "host/sabotage": 8,
  "resources/sabotage": 4,
  "host/packages": 14,
  "domains/xlFaults": 3,
  "domains/boundaries/killedAfter": 3,
  "domains/boundaries/killedBefore": 3,
  "domains/boundaries/resetAfter": 3,
  "domains/boundaries/resetBefore": 3,
  "domains/boundaries/blackHole": 9,
}
