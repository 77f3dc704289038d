/**
 * Sets variables in a file of shell assignments (/etc/default/grub, /etc/sysconfig/xencommons): the last line
 * that sets a variable is rewritten where it stands, other lines that set it go, and one that is not there is
 * appended. Comments and everything else stay. `undefined` removes. Values are double-quoted; a `$` in them
 * is the shell's.
 */
export function setAssignments(text: string, values: Readonly<Record<string, string | undefined>>): string {
  let lines = text === "" ? [] : text.replace(/\n$/, "").split("\n")
  for (const [name, value] of Object.entries(values)) {
    const sets = (line: string) => new RegExp(`^\\s*(export\\s+)?${name}=`).test(line)
    const last = lines.findLastIndex(sets)
    const wanted = value === undefined ? [] : [assignment(name, value)]
    lines = lines.flatMap((line, at) => (sets(line) ? (at === last ? wanted : []) : [line]))
    if (last === -1) lines.push(...wanted)
  }
  return lines.map(line => `${line}\n`).join("")
}

/** `NAME="value"`, as a shell reads it back. */
export function assignment(name: string, value: string): string {
  return `${name}="${value.replace(/["\\`]/g, "\\$&")}"`
}

/** The value that a shell would give a variable, as far as it is written plainly; the last assignment wins. */
export function readAssignment(text: string, name: string): string | undefined {
  const found = [...text.matchAll(new RegExp(`^\\s*(?:export\\s+)?${name}=(.*)$`, "gm"))].at(-1)?.[1]
  return found?.trim().replace(/^(["'])(.*)\1$/, "$2")
}
