/** What a command line of `xl` comes to. */
export interface Reply {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

export const said = (stdout = "", stderr = ""): Reply => ({ exit: 0, stdout, stderr })

/** xl says why, and ends with a failure. */
export class Refused extends Error implements Reply {
  override readonly name = "Refused"
  readonly exit: number
  readonly stdout = ""
  readonly stderr: string

  constructor(stderr: string, exit = 1) {
    super(stderr)
    this.exit = exit
    this.stderr = stderr
  }
}
