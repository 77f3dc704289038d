import * as pulumi from "./pulumi.ts"

/** What holds for every host that a connection does not say otherwise. */
export interface ProviderArgs {
  /** Login user. */
  user?: pulumi.Input<string>
  /** Private key, as the text of its file. */
  privateKey?: pulumi.Input<string>
  /** File of the private key on this machine; `~` is the home directory. */
  privateKeyPath?: pulumi.Input<string>
  /** Passphrase of the private key. */
  passphrase?: pulumi.Input<string>
  /** known_hosts files to look keys up in. */
  knownHosts?: pulumi.Input<pulumi.Input<string>[]>
  /** `strict` refuses an unknown key; `accept-new` pins the first key seen in known_hosts. */
  hostKeyPolicy?: pulumi.Input<"strict" | "accept-new">
  /** ssh_config file to read in the place of the user's and the system's. */
  sshConfig?: pulumi.Input<string>
  /** Milliseconds for one attempt to connect. */
  connectTimeout?: pulumi.Input<number>
}

/** A provider of its own, where some hosts are reached in another way than the rest. */
export class Provider extends pulumi.ProviderResource {
  constructor(name: string, args: ProviderArgs = {}, options?: pulumi.ResourceOptions) {
    const { privateKey, passphrase, knownHosts, connectTimeout, ...texts } = args
    const inputs = {
      ...texts,
      privateKey: privateKey === undefined ? undefined : pulumi.secret(privateKey),
      passphrase: passphrase === undefined ? undefined : pulumi.secret(passphrase),
      // A provider's configuration is texts on the wire: what is none is written as JSON.
      knownHosts: asJson(knownHosts),
      connectTimeout: asJson(connectTimeout),
    }
    super("xen", name, inputs, options)
  }
}

function asJson(value: pulumi.Input<unknown> | undefined): pulumi.Output<string> | undefined {
  return value === undefined ? undefined : pulumi.output(value).apply(known => JSON.stringify(known))
}
