import type { Activity, DomainDetails, ListedDomain } from "./facts.ts"

/**
 * A line of `xl list -v`: name (which may hold blanks), number, MiB, virtual CPUs, six letters of state, seconds, UUID.
 * (`list_domains` in tools/xl/xl_list.c; the fifth letter says why a domain shut down.)
 */
const LINE =
  /^(.*\S)\s+(\d+)\s+(\d+)\s+(\d+)\s+([r-])([b-])([p-])([s-])([-rscwS?])([d-])\s+[\d.]+\s+([0-9a-f-]{36})\b/

/** The domains of `xl list -v`, without dom0. */
export function parseList(text: string): ListedDomain[] {
  return text.split("\n").flatMap(line => {
    const [, name, id, memory, vcpus, , , paused, shutdown, reason, dying, uuid] = LINE.exec(line) ?? []
    if (name === undefined || Number(id) === 0) return []
    const activity: Activity =
      dying === "d"
        ? "dying"
        : shutdown === "s"
          ? reason === "c" || reason === "w"
            ? "crashed"
            : "shutdown"
          : paused === "p"
            ? "paused"
            : "running"
    return [{ name, id: Number(id), memory: Number(memory), vcpus: Number(vcpus), uuid: uuid!, activity }]
  })
}

/**
 * The answers of several `xl list -l`, one after the other, by the domains' numbers. What cannot be read belongs to a
 * domain that went away while it was asked.
 */
export function parseDetails(text: string): Map<number, DomainDetails> {
  const answers = text.split(/^(?=\[\s*$)/m).flatMap(part => readJson(part))
  return new Map(
    answers.flatMap(answer => {
      const { domid, config } = answer as { domid?: unknown; config?: unknown }
      return typeof domid === "number" && typeof config === "object" && config !== null
        ? [[domid, config as DomainDetails]]
        : []
    }),
  )
}

function readJson(text: string): object[] {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value.filter(item => typeof item === "object" && item !== null) : []
  } catch (error) {
    if (error instanceof SyntaxError) return []
    throw error
  }
}
