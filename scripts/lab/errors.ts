/** A failure of the lab as a sentence: what was wanted, what happened, what to do next. */
export class LabError extends Error {
  override name = "LabError"
  readonly wanted: string
  readonly happened: string
  readonly remedy: string

  constructor(wanted: string, happened: string, remedy: string, options?: ErrorOptions) {
    super(`${wanted}: ${happened}. ${remedy}`, options)
    this.wanted = wanted
    this.happened = happened
    this.remedy = remedy
  }
}

/** A program that the lab runs ended badly. */
export class ProgramFailed extends LabError {
  override name = "ProgramFailed"
  readonly program: string
  readonly exitCode: number | null
  readonly stderr: string

  constructor(wanted: string, program: string, exitCode: number | null, stderr: string) {
    const said = stderr.trim().split("\n").slice(-5).join("\n")
    const ended = exitCode === null ? "was killed" : `ended with exit code ${exitCode}`
    super(
      wanted,
      `${program} ${ended}${said && `, saying:\n${said}\n`}`,
      "Nothing half-made was kept; run it again",
    )
    this.program = program
    this.exitCode = exitCode
    this.stderr = stderr
  }
}

/** Not enough room for what is to be written under `directory`. Sizes are bytes. */
export class DiskFull extends LabError {
  override name = "DiskFull"
  readonly directory: string
  readonly available: number
  readonly needed: number

  constructor(wanted: string, directory: string, available: number, needed: number) {
    super(
      wanted,
      `${directory} has ${mebibytes(available)} MiB free, and ${mebibytes(needed)} MiB are needed`,
      "Free some room, or set PULUMI_XEN_CACHE to a directory on a larger disk",
    )
    this.directory = directory
    this.available = available
    this.needed = needed
  }
}

/** A port of the loopback interface that somebody else listens on. */
export class PortTaken extends LabError {
  override name = "PortTaken"
  readonly port: number

  constructor(wanted: string, port: number) {
    super(
      wanted,
      `port ${port} of 127.0.0.1 is in use`,
      "Choose another one with --forward, or stop its owner",
    )
    this.port = port
  }
}

/** QEMU ended, or never started. */
export class MachineStopped extends LabError {
  override name = "MachineStopped"
  readonly log: string

  constructor(wanted: string, happened: string, log: string, options?: ErrorOptions) {
    super(
      wanted,
      `${happened}${log && `, saying:\n${log}\n`}`,
      "`lab status` shows what runs; `lab up` starts it again",
      options,
    )
    this.log = log
  }
}

const mebibytes = (bytes: number) => Math.floor(bytes / 2 ** 20)
