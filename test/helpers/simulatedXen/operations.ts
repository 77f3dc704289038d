/** What a test does at a remote operation. */
export interface Strike {
  /** Called before the operation runs; `false`: it never runs, as if the connection had been lost on its way there. */
  readonly before?: (operation: Operation) => boolean | undefined
  /** Called when it has run, before its end is told to whoever asked for it. */
  readonly after?: (operation: Operation) => void
}

export interface Operation {
  /** Counted from 1 since the host started, or since `restart`. */
  readonly number: number
  /** As sshd was asked for it; `/usr/lib/openssh/sftp-server` for an SFTP session. */
  readonly command: string
}

/** All that is asked of a host over SSH, in order: one remote command or SFTP session is one operation. */
export class Operations {
  /** The commands so far. */
  readonly seen: string[] = []
  #strike: Strike = {}

  /** Counts from 1 again, and strikes like this from now on; without a strike all goes its way. */
  restart(strike: Strike = {}): void {
    this.seen.length = 0
    this.#strike = strike
  }

  begin(command: string): { readonly operation: Operation; readonly goes: boolean } {
    const operation = { number: this.seen.push(command), command }
    return { operation, goes: this.#strike.before?.(operation) !== false }
  }

  end(operation: Operation): void {
    this.#strike.after?.(operation)
  }
}
