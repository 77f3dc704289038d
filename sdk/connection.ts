import * as pulumi from "./pulumi.ts"

/** How one machine is reached and authenticated. */
export interface JumpHostArgs {
  /** Name or address of the machine, or a `Host` of ssh_config. */
  host: pulumi.Input<string>
  /** TCP port of sshd. Default: what ssh_config says, else 22. */
  port?: pulumi.Input<number>
  /** Login user. Default: what ssh_config says, else root. */
  user?: pulumi.Input<string>
  /** Private key, as the text of its file. */
  privateKey?: pulumi.Input<string>
  /** File of the private key on this machine; `~` is the home directory. */
  privateKeyPath?: pulumi.Input<string>
  /** Passphrase of the private key. */
  passphrase?: pulumi.Input<string>
  /** Password of the login user, where sshd takes no key. */
  password?: pulumi.Input<string>
  /** Socket of an SSH agent. Default: $SSH_AUTH_SOCK, unless a key or a password is given. */
  agent?: pulumi.Input<string>
  /** Public key that the machine must show: a line of a .pub or known_hosts file, or `SHA256:…`. */
  hostKey?: pulumi.Input<string>
  /** known_hosts files to look the key up in. Default: those of ssh. */
  knownHosts?: pulumi.Input<pulumi.Input<string>[]>
  /** `strict` (default) refuses an unknown key; `accept-new` pins the first key seen in known_hosts. */
  hostKeyPolicy?: pulumi.Input<"strict" | "accept-new">
}

/** How a host is reached over SSH. Another port, user or key alone changes no resource. */
export interface ConnectionArgs extends JumpHostArgs {
  /** Jump hosts on the way, first to last, each verified by its own key. */
  via?: pulumi.Input<pulumi.Input<JumpHostArgs>[]>
  /** ssh_config file to read in the place of the user's and the system's. */
  sshConfig?: pulumi.Input<string>
  /** Whether commands run through sudo. Default: exactly when the user is not root. */
  sudo?: pulumi.Input<boolean>
  /** Password that sudo asks for. */
  sudoPassword?: pulumi.Input<string>
  /** Milliseconds for one attempt to connect. Default: 10000. */
  connectTimeout?: pulumi.Input<number>
}

/**
 * Marks what is secret in a connection, so that it is encrypted from the program's end of the wire on, and everything
 * else stays readable in a diff. (The provider marks it once more: programs in other languages come without this.)
 */
export function sealConnection(
  connection: pulumi.Input<ConnectionArgs> | undefined,
): pulumi.Input<ConnectionArgs> | undefined {
  if (connection === undefined || isDeferred(connection)) return connection
  const { via, sudoPassword } = connection
  return {
    ...connection,
    ...sealEndpoint(connection),
    ...(sudoPassword !== undefined && { sudoPassword: pulumi.secret(sudoPassword) }),
    ...(via !== undefined && {
      via: isDeferred(via) ? via : via.map(hop => (isDeferred(hop) ? hop : sealEndpoint(hop))),
    }),
  }
}

function sealEndpoint(endpoint: JumpHostArgs): JumpHostArgs {
  const { privateKey, passphrase, password } = endpoint
  return {
    ...endpoint,
    ...(privateKey !== undefined && { privateKey: pulumi.secret(privateKey) }),
    ...(passphrase !== undefined && { passphrase: pulumi.secret(passphrase) }),
    ...(password !== undefined && { password: pulumi.secret(password) }),
  }
}

function isDeferred<T>(
  input: pulumi.Input<T>,
): input is pulumi.Output<T> | Promise<T> | pulumi.OutputInstance<T> {
  return pulumi.Output.isInstance(input) || input instanceof Promise
}
