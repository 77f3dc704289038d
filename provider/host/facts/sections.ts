/** The probe's output, by section. A section that was not printed is absent; one that was empty is "". */
export type Sections = ReadonlyMap<string, string>

/** The host's answer was cut off, or a program on the way wrote into it. */
export class ProbeFormatError extends Error {
  override readonly name = "ProbeFormatError"
  readonly host: string

  constructor(host: string, what: string) {
    super(
      `${host}: the facts of the host are not whole: ${what} ` +
        "Try `ssh HOST true`: it must print nothing (a login script that prints does this).",
    )
    this.host = host
  }
}

/**
 * Cuts the output at the lines that begin with `mark` and a space. Everything between two marks belongs to
 * the section byte by byte, but for the newline that the mark brings with it.
 */
export function parseSections(host: string, mark: string, output: string): Sections {
  const parts = output.split(`\n${mark} `)
  const sections = new Map<string, string>()
  for (const part of parts.slice(1)) {
    const end = part.indexOf("\n")
    const name = end === -1 ? part : part.slice(0, end)
    sections.set(name, end === -1 ? "" : part.slice(end + 1))
  }
  if (!sections.has("end")) throw new ProbeFormatError(host, "its last section is missing.")
  return sections
}

/** Lines `key=value`, `key: value` or `key<TAB>value`; values without surrounding blanks or double quotes. */
export function parseFields(text: string, separator: RegExp = /=/): Record<string, string> {
  const fields: Record<string, string> = {}
  for (const line of text.split("\n")) {
    const match = separator.exec(line)
    if (!match || line.startsWith("#")) continue
    const value = line.slice(match.index + match[0].length).trim()
    fields[line.slice(0, match.index).trim()] = /^".*"$|^'.*'$/.test(value) ? value.slice(1, -1) : value
  }
  return fields
}

/** What a small file holds, most of them the kernel's; undefined where the host has none. */
export function valueIn(sections: Sections, path: string): string | undefined {
  return sections.get(`value ${path}`)?.trim()
}

/** Lines with something on them. */
export function lines(text: string | undefined): string[] {
  return (text ?? "").split("\n").filter(line => line.trim() !== "")
}
