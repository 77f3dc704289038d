import { readFileSync } from "node:fs"

/** Seconds of CPU that a process has taken until now; its children's are not counted. */
export function cpuOf(pid: number): number {
  return ticks(pid, "utime", "stime")
}

/** Seconds of CPU of a process's children that have ended. */
export function cpuOfChildren(pid: number): number {
  return ticks(pid, "cutime", "cstime")
}

/** Where they stand after the command's name, and in hundredths of a second: proc(5). */
const fields = { utime: 11, stime: 12, cutime: 13, cstime: 14 } as const

function ticks(pid: number, ...names: (keyof typeof fields)[]): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    .replace(/^.*\) /s, "")
    .split(" ")
  return names.reduce((sum, name) => sum + Number(stat[fields[name]]), 0) / 100
}
