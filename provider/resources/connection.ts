import {
  choice,
  type Fields,
  flag,
  incidental,
  integer,
  type Known,
  list,
  object,
  optional,
  secret,
  text,
} from "../rpc/declare.ts"
import type { Context } from "../rpc/resource.ts"
import type { Connection, ConnectionPool, Target } from "../ssh/index.ts"

const hostName = {
  pattern: /[A-Za-z0-9_]([A-Za-z0-9._:%-]*[A-Za-z0-9])?|[A-Fa-f0-9]*::?[A-Fa-f0-9:.%a-z0-9]*/,
  says: "a host name, an address or a Host of ssh_config, without a user, a port or brackets",
}
const userName = { pattern: /[A-Za-z_][A-Za-z0-9_.-]*\$?/, says: "a user's name" }
const oneLine = { pattern: /[^\0\r\n]+/, says: "a path on one line" }

/** How one machine is reached and authenticated: the fields of a host and of each jump host on the way to it. */
const endpoint = {
  host: text("name or address of the machine", hostName),
  port: optional(
    integer("TCP port of sshd; by default what ssh_config says, else 22", { min: 1, max: 65535 }),
  ),
  user: optional(text("login user; by default what ssh_config says, else root", userName)),
  privateKey: optional(secret(text("private key, as the text of its file"))),
  privateKeyPath: optional(text("file of the private key on this machine; ~ is the home directory", oneLine)),
  passphrase: optional(secret(text("passphrase of the private key"))),
  password: optional(secret(text("password of the login user, where sshd takes no key"))),
  agent: optional(
    text("socket of an SSH agent; by default $SSH_AUTH_SOCK, unless a key or password is given", oneLine),
  ),
  hostKey: optional(
    text("public key that the machine must show: a line of a .pub or known_hosts file, or SHA256:…", {
      pattern: /[^\0\r\n]+/,
      says: "a public key or fingerprint on one line",
    }),
  ),
  knownHosts: optional(
    list("known_hosts files to look the key up in; by default those of ssh", text("file", oneLine)),
  ),
  hostKeyPolicy: optional(
    choice(
      "strict (default): an unknown key is refused; accept-new: the first key seen is pinned in known_hosts",
      ["strict", "accept-new"],
    ),
  ),
} as const satisfies Fields

export const connectionFields = {
  ...endpoint,
  via: optional(
    list(
      "jump hosts on the way, first to last, each verified by its own key",
      object("jump host", "JumpHost", endpoint),
    ),
  ),
  sshConfig: optional(text("ssh_config file to read in the place of the user's and the system's", oneLine)),
  sudo: optional(flag("whether commands run through sudo; by default exactly when the user is not root")),
  sudoPassword: optional(secret(text("password that sudo asks for"))),
  connectTimeout: optional(
    integer("milliseconds for one attempt to connect; by default 10000", { min: 100, max: 600_000 }),
  ),
} as const satisfies Fields

/**
 * The `connection` input that every resource on a host has. It is incidental: how a host is reached is no part of
 * what a resource is, so another port, user or key changes nothing.
 */
export const connection = incidental(
  object("how the host is reached over SSH", "Connection", connectionFields),
)

export type ConnectionInput = Known<typeof connectionFields>

/** What the provider's configuration may say once for all hosts; a resource's own connection wins. */
export const connectionDefaults = {
  user: endpoint.user,
  privateKey: endpoint.privateKey,
  privateKeyPath: endpoint.privateKeyPath,
  passphrase: endpoint.passphrase,
  knownHosts: endpoint.knownHosts,
  hostKeyPolicy: endpoint.hostKeyPolicy,
  sshConfig: connectionFields.sshConfig,
  connectTimeout: connectionFields.connectTimeout,
} as const satisfies Fields

/** The hosts of a provider process: one pooled connection each. */
export class Hosts {
  #defaults: Known<typeof connectionDefaults> = {}
  #pool: Promise<ConnectionPool> | undefined

  configure(defaults: Known<typeof connectionDefaults>): void {
    this.#defaults = defaults
  }

  async connect(input: ConnectionInput, context: Pick<Context, "signal">): Promise<Connection> {
    // Loaded with the first connection: most of what a provider process does at its start, and all that a preview
    // does, needs no SSH.
    this.#pool ??= import("../ssh/index.ts").then(ssh => new ssh.ConnectionPool())
    return (await this.#pool).get(toTarget(input, this.#defaults), { signal: context.signal })
  }

  async close(): Promise<void> {
    await (await this.#pool)?.close()
  }
}

/** Exported for its tests. A key that a resource gives displaces every default that would be tried beside it. */
export function toTarget(input: ConnectionInput, defaults: Known<typeof connectionDefaults>): Target {
  const { via = [], sshConfig, ...own } = input
  const { sshConfig: defaultConfig, connectTimeout, ...endpointDefaults } = defaults
  const config = sshConfig ?? defaultConfig
  const shared = config === undefined ? {} : { sshConfig: config }
  const complete = (given: Partial<ConnectionInput>) => withDefaults(given, endpointDefaults)
  const jump = via.reduce<Target | undefined>(
    (before, next) => ({ ...(complete(next) as Target), ...shared, ...(before && { via: before }) }),
    undefined,
  )
  const timeout = own.connectTimeout ?? connectTimeout
  return {
    ...(complete(own) as Target),
    ...shared,
    ...(timeout !== undefined && { connectTimeout: timeout }),
    ...(jump && { via: jump }),
  }
}

function withDefaults(given: Partial<ConnectionInput>, defaults: Known<typeof connectionDefaults>): object {
  const hasCredentials = [given.privateKey, given.privateKeyPath, given.password, given.agent].some(
    value => value !== undefined,
  )
  const { privateKey, privateKeyPath, passphrase, ...rest } = defaults
  const credentials = hasCredentials ? {} : { privateKey, privateKeyPath, passphrase }
  const merged = { ...rest, ...credentials, ...given }
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined))
}
