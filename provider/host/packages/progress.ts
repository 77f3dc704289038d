/**
 * Reads a package tool's output as progress for people, line by line. apt speaks on its status descriptor
 * (README.progress-reporting of apt, which is its standard output here); dnf, yum and zypper in sentences.
 */
export function packageProgress(): (line: string) => string | undefined {
  let total = 0
  let done = 0
  return line => {
    const waiting = /^waiting for (.*)$/.exec(line)
    if (waiting) return `waiting for another package manager: ${waiting[1]}`
    const planned = /^(\d+) upgraded, (\d+) newly installed/.exec(line)
    if (planned) {
      total = Number(planned[1]) + Number(planned[2])
      return undefined
    }
    const download = /^dlstatus:\d+:([\d.]+):Retrieving file (\d+) of (\d+)/.exec(line)
    if (download) {
      const [, percent, at, of] = download
      return `downloading ${at} of ${of} (${Math.round(Number(percent))} %)`
    }
    if (/^Unpacking /.test(line)) return `unpacking ${line.split(" ")[1]}`
    const setUp = /^Setting up (\S+)/.exec(line)
    if (setUp) {
      done++
      return total > 0
        ? `installing ${Math.min(done, total)} of ${total}: ${setUp[1]}`
        : `installing ${setUp[1]}`
    }
    const dnf = /^\s+(Installing|Upgrading|Erasing|Removing)\s*:\s+(\S+)\s+(\d+)\/(\d+)\s*$/.exec(line)
    if (dnf) return `${dnf[1]!.toLowerCase()} ${dnf[3]} of ${dnf[4]}: ${dnf[2]}`
    const fetched = /^\((\d+)\/(\d+)\): (\S+)/.exec(line)
    if (fetched) return `downloading ${fetched[1]} of ${fetched[2]}: ${fetched[3]}`
    const zypper = /^\((\s*\d+)\/(\d+)\) (Installing|Removing): (\S+)/.exec(line)
    if (zypper) return `${zypper[3]!.toLowerCase()} ${zypper[1]!.trim()} of ${zypper[2]}: ${zypper[4]}`
    const retrieving = /^Retrieving(?: package|:)? (\S+)(?:.*\((\d+)\/(\d+)\))?/.exec(line)
    if (retrieving)
      return `downloading ${retrieving[2] ? `${retrieving[2]} of ${retrieving[3]}: ` : ""}${retrieving[1]}`
    return undefined
  }
}
