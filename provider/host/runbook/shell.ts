import type { Command } from "../../ssh/command.ts"
import { quote } from "../../ssh/quote.ts"

/** What stands in a plan for what only the host can tell: "MAC-OF-eth0", and the command that prints it there. */
export interface Unknown {
  readonly placeholder: string
  readonly command: string
}

/** Plans in the words of a shell that a person sits at: what is unknown is asked for where it is used. */
export interface Shell {
  command(command: Command, env?: Readonly<Record<string, string>>): string
  /** Writes a file whole, its folder too; the lines can be pasted. */
  file(path: string, content: string, mode?: number): string
}

export function shellWith(unknowns: readonly Unknown[]): Shell {
  const word = (text: string): string => {
    const unknown = unknowns.find(({ placeholder }) => text.includes(placeholder))
    if (!unknown) return quote(text)
    const parts = text.split(unknown.placeholder).map(part => (part === "" ? "" : word(part)))
    return parts.join(`"$(${unknown.command})"`)
  }
  const line = (command: Command): string =>
    isAttempt(command) ? `${line(command.slice(4))} || true` : command.map(word).join(" ")
  return {
    command: (command, env = {}) =>
      [...Object.entries(env).map(([name, value]) => `${name}=${word(value)}`), line(command)].join(" "),
    file(path, content, mode = 0o644) {
      const to = `install -D -m ${mode.toString(8)} /dev/stdin ${quote(path)}`
      const asked = unknowns
        .filter(({ placeholder }) => content.includes(placeholder))
        .map(({ placeholder, command }) => ` -e "s/${placeholder}/$(${command})/g"`)
      // A here-document ends with the end of a line.
      if (content !== "" && !content.endsWith("\n") && asked.length === 0)
        return `printf %s ${quote(content)} | ${to}`
      const end = delimiter(content)
      const head = asked.length > 0 ? `sed${asked.join("")} <<'${end}' | ${to}` : `${to} <<'${end}'`
      return `${head}\n${content.replace(/(?<=[^\n])$/, "\n")}${end}`
    },
  }
}

/** `sh -c '"$@" || true' sh COMMAND`, which a person types in fewer words. */
function isAttempt([program, flag, script]: Command): boolean {
  return program === "sh" && flag === "-c" && script === '"$@" || true'
}

function delimiter(content: string): string {
  let end = "END"
  while (content.split("\n").includes(end)) end += "_"
  return end
}
