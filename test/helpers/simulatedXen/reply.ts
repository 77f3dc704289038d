/** What a command line of `xl` comes to. */
export interface Reply {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

export const said = (stdout = "", stderr = ""): Reply => ({ exit: 0, stdout, stderr })

/** xl says why, and ends with a failure. `stdout` is what it had said before. */
export class Refused extends Error implements Reply {
  override readonly name = "Refused"
  readonly exit: number
  readonly stdout: string
  readonly stderr: string

  constructor(stderr: string, { exit = 1, stdout = "" } = {}) {
    super(stderr)
    this.exit = exit
    this.stdout = stdout
    this.stderr = stderr
  }
}
