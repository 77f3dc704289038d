import type { Secret } from "../secret.ts"
import type { Command } from "./command.ts"

/** How a host is reached. Every field but `host` has a default; a field given here wins over ssh_config. */
export interface Target {
  /** A name, an address, or a `Host` of ssh_config. */
  host: string
  /** Default: what ssh_config says, else 22. */
  port?: number
  /** Default: what ssh_config says, else `root`. */
  user?: string
  /** The private key's text: OpenSSH or PEM. With it (or `privateKeyPath`) no other key is tried. */
  privateKey?: Secret
  /** A private key's file; `~/` is the home directory. Default: ssh_config's IdentityFile, in its order. */
  privateKeyPath?: string
  /** Of the private key. */
  passphrase?: Secret
  /** Tried after the keys, as `password` and as `keyboard-interactive`. */
  password?: Secret
  /** The agent's socket, `false` for none. Default: SSH_AUTH_SOCK, unless a key or a password is given. */
  agent?: string | false
  /**
   * The host's public keys: `ssh-ed25519 AAAA…` as in a `.pub` file, a whole known_hosts line, or a
   * fingerprint `SHA256:…`. When given, nothing else is believed and no known_hosts file is read.
   */
  hostKey?: string | readonly string[]
  /** known_hosts files. Default: what ssh_config says, which is ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts. */
  knownHosts?: readonly string[]
  /** `strict` (default) refuses an unknown host; `accept-new` writes its key into the first file of `knownHosts`. */
  hostKeyPolicy?: "strict" | "accept-new"
  /** A jump host, verified and authenticated for itself; it may have a `via` of its own. */
  via?: Target
  /** An ssh_config file to read instead of the user's and the system's, or `false` for none. */
  sshConfig?: string | false
  /** Run commands through sudo. `auto` (default): exactly when the user is not root. */
  sudo?: boolean | "auto"
  /** Default: none, which needs NOPASSWD. */
  sudoPassword?: Secret
  /** Milliseconds for one attempt to connect, authentication included. Default 10,000. */
  connectTimeout?: number
}

export interface RunOptions {
  /** Default: empty. The command never waits for input that nobody gives. */
  stdin?: string | Uint8Array | Secret
  /** Added to the environment, in which LC_ALL is C. Never for secrets: other users can read it. */
  env?: Readonly<Record<string, string>>
  /** The command does not run where this directory cannot be entered. */
  cwd?: string
  /** Milliseconds, then the remote process group is ended. Default: none. */
  timeout?: number
  /** Aborting ends the remote process group. */
  signal?: AbortSignal
  /** Called for each line, without its newline, as it arrives. */
  onLine?: (line: string, stream: "stdout" | "stderr") => void
  /** Exit codes that are an answer and not a failure. Default `[0]`. */
  expect?: readonly number[]
  /** `tail` keeps the last 64 KiB of each stream (for what runs long); `all` (default) at most 64 MiB. */
  keep?: "all" | "tail"
  /** `false`: as the login user, even where the target says sudo. Default: what the target says. */
  sudo?: boolean
}

export interface RunResult {
  exit: number
  /** Decoded as UTF-8, nothing trimmed. */
  stdout: string
  stderr: string
}

/** A local file by its path, or bytes. */
export type UploadSource = string | Uint8Array

export interface UploadOptions {
  /** Permission bits of the new file. Default 0o644. */
  mode?: number
  signal?: AbortSignal
  /** Bytes that the host has acknowledged, of how many. */
  onProgress?: (sent: number, total: number) => void
  /** SHA-256 in hex that the source must have; checked before the file appears under its name. */
  sha256?: string
}

export interface UploadResult {
  /** Bytes sent: 0 when the host had the file already, fewer than its size when an upload was resumed. */
  bytes: number
  size: number
  /** In hex, computed on the host over the file as it lies there. */
  sha256: string
}

export interface WriteOptions {
  /** Permission bits. Default 0o600: what is not said to be public is not. */
  mode?: number
  signal?: AbortSignal
}

/** An authenticated connection to a host whose key was verified. */
export interface Connection {
  /** For messages: `root@www1:22`. */
  readonly name: string
  /** Run a command to its end. Rejects unless its exit code is one of `expect`. Never tried twice. */
  run(command: Command, options?: RunOptions): Promise<RunResult>
  /** Put a file there whole or not at all: sent aside, checked by digest, fsynced, renamed. */
  upload(source: UploadSource, path: string, options?: UploadOptions): Promise<UploadResult>
  /** The same for a small file whose content is at hand. */
  writeFile(path: string, content: string | Uint8Array | Secret, options?: WriteOptions): Promise<void>
  /** A new TCP connection to the same target, verified anew; the caller closes it. */
  fresh(options?: { signal?: AbortSignal }): Promise<Connection>
  close(): Promise<void>
}
